//! The feeds of a site, from the files of its repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::feed::{read_feeds, same_clock};
use super::session::read_sessions;
use super::{InputHash, Inputs};
use crate::bundle::Hash;
use crate::calendar::{Calendar, Instant};
use crate::diag::{Diagnostics, SourceId};
use crate::ir::{Feed, FeedOrigin, Site};
use crate::repo::Repository;

/// A file that feeds name.
struct Text {
    shown: String,
    sha256: Hash,
    source: SourceId,
    text: Arc<str>,
}

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
    let mut texts: BTreeMap<String, Text> = BTreeMap::new();
    // feeds that one walk through their file can read
    let mut walks: Vec<(String, Vec<&Feed>)> = Vec::new();
    for feed in &site.feeds {
        let named = match (repository.manifest.inputs.get(&feed.name), &feed.origin) {
            (Some((path, at)), _) => Some((path.clone(), *at)),
            (None, FeedOrigin::File { path }) => Some((path.clone(), feed.span)),
            (None, FeedOrigin::Live { .. }) => None,
        };
        let Some((path, at)) = named else { continue };
        if !texts.contains_key(&path) {
            match repository.data(&path, at) {
                Ok(file) => {
                    let source = repository.sources.add(file.path.as_str(), file.text.clone());
                    let sha256 = Hash::parse(&format!("sha256:{}", file.sha256)).unwrap_or_default();
                    texts.insert(path.clone(), Text { shown: file.path, sha256, source, text: file.text });
                }
                Err(finding) => {
                    findings.push(*finding);
                    continue;
                }
            }
        }
        if let Some(text) = texts.get(&path) {
            inputs.add_file(InputHash {
                name: format!("feed {}", feed.name),
                path: text.shown.clone(),
                sha256: text.sha256.clone(),
            });
        }
        let walk = (walks.iter_mut())
            .find(|(of, feeds)| *of == path && feeds.iter().all(|other| same_clock(other, feed)));
        match walk {
            Some((_, feeds)) => feeds.push(feed),
            None => walks.push((path, vec![feed])),
        }
    }
    for (path, feeds) in &walks {
        let Some(Text { source, text, .. }) = texts.get(path) else { continue };
        if feeds.iter().any(|feed| feed.sessions) {
            for feed in feeds {
                match read_sessions(site, calendar, feed, *source, text) {
                    Ok(sessions) => inputs.add_sessions(sessions),
                    Err(faults) => findings.extend(faults),
                }
            }
            continue;
        }
        match read_feeds(site, calendar, feeds, *source, text, span) {
            Ok(tracks) => {
                for (signal, track) in tracks {
                    inputs.add(signal, track);
                }
            }
            Err(faults) => findings.extend(faults),
        }
    }
    if findings.is_empty() { Ok(inputs) } else { Err(findings) }
}
