//! The feeds of a site, from the files of its repository.

use super::feed::read_feed;
use super::session::read_sessions;
use super::{InputHash, Inputs};
use crate::bundle::Hash;
use crate::calendar::{Calendar, Instant};
use crate::diag::Diagnostics;
use crate::ir::{FeedOrigin, Site};
use crate::repo::Repository;

/// Reads and checks every feed that has a file: named by the policy, or by `inputs` of the manifest.
/// The texts join the repository's sources, so that findings show their place in them.
///
/// `span` is where values will be needed; only typical-year files depend on it. Whether the others
/// reach so far is asked when they are put [on steps](Inputs::on).
///
/// # Errors
/// EVL0503 for every fault in the files; a file that cannot be read.
pub fn load(
    repository: &mut Repository<'_>,
    site: &Site,
    calendar: &Calendar,
    span: (Instant, Instant),
) -> Result<Inputs, Diagnostics> {
    let (mut inputs, mut findings) = (Inputs::new(), Diagnostics::new());
    for feed in &site.feeds {
        let named = match (repository.manifest.inputs.get(&feed.name), &feed.origin) {
            (Some((path, at)), _) => Some((path.clone(), *at)),
            (None, FeedOrigin::File { path }) => Some((path.clone(), feed.span)),
            (None, FeedOrigin::Live { .. }) => None,
        };
        let Some((path, at)) = named else { continue };
        let file = match repository.data(&path, at) {
            Ok(file) => file,
            Err(finding) => {
                findings.push(*finding);
                continue;
            }
        };
        let source = repository.sources.add(file.path.as_str(), file.text.clone());
        inputs.add_file(InputHash {
            name: format!("feed {}", feed.name),
            path: file.path,
            sha256: Hash::of(file.text.as_bytes()),
        });
        if feed.sessions {
            match read_sessions(site, calendar, feed, source, &file.text) {
                Ok(sessions) => inputs.add_sessions(sessions),
                Err(faults) => findings.extend(faults),
            }
        } else {
            match read_feed(site, calendar, feed, source, &file.text, span) {
                Ok(tracks) => {
                    for (signal, track) in tracks {
                        inputs.add(signal, track);
                    }
                }
                Err(faults) => findings.extend(faults),
            }
        }
    }
    if findings.is_empty() { Ok(inputs) } else { Err(findings) }
}
