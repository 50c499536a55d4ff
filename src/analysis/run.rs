//! Asking all questions of a site, cluster by cluster, on as many threads as there are processors.
//!
//! Each cluster has a solver and an order of its own, and results are put together in the order of
//! clusters: threads change nothing that is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ask::{Asker, Ground};
use super::index::Index;
use super::questions::contradiction::Found;
use super::questions::{
    MAX_FINDINGS, beyond_device, budget,
    contradiction::{self, MOST_COUNTED},
    dead_rule, not_permitted, opposed, origins, subject_name, total,
};
use crate::diag::{Diagnostic, codes};

/// Rules whose guards share a solver.
const RULES_PER_CLUSTER: usize = 64;

/// Devices and zones that share a solver: making one costs as much as some dozens of questions.
const SUBJECTS_PER_CLUSTER: usize = 8;

/// One cluster's answer.
#[derive(Default)]
struct Answers {
    found: Vec<Found>,
    findings: Vec<Diagnostic>,
    asked: u64,
}

/// A cluster of questions.
enum Cluster {
    /// Everything about the devices and zones from one place in the index to another.
    Dossiers(usize, usize),
    /// Everything about one total.
    Total(usize),
    /// Guards of the rules from one id to another.
    Rules(usize, usize),
    /// Zones, permissions, budgets.
    Zones,
    Permissions,
    Budgets,
}

/// All questions that need a solver. Returns the findings and the number of questions.
pub(super) fn all(ground: &Ground, index: &Index) -> (Vec<Diagnostic>, u64) {
    let (mut findings, found, asked) = answers(ground, index);
    findings.extend(merged(ground, found));
    (findings, asked)
}

/// Findings, clashes before they are merged, and the number of questions.
pub(super) fn answers(ground: &Ground, index: &Index) -> (Vec<Diagnostic>, Vec<Found>, u64) {
    let clusters = clusters(ground, index);
    let answers = in_threads(&clusters, |cluster| answer(ground, index, cluster));
    let mut findings = Vec::new();
    let mut found = Vec::new();
    let mut asked = 0;
    for answer in answers {
        findings.extend(answer.findings);
        found.extend(answer.found);
        asked += answer.asked;
    }
    (findings, found, asked)
}

fn clusters(ground: &Ground, index: &Index) -> Vec<Cluster> {
    let rules = ground.site.rules.len();
    let mut all: Vec<Cluster> = (0..rules)
        .step_by(RULES_PER_CLUSTER)
        .map(|from| Cluster::Rules(from, (from + RULES_PER_CLUSTER).min(rules)))
        .collect();
    let dossiers = index.dossiers.len();
    all.extend(
        (0..dossiers)
            .step_by(SUBJECTS_PER_CLUSTER)
            .map(|from| Cluster::Dossiers(from, (from + SUBJECTS_PER_CLUSTER).min(dossiers))),
    );
    all.extend((0..index.totals.len()).map(Cluster::Total));
    if !ground.site.zones.is_empty() {
        all.push(Cluster::Zones);
    }
    if !index.commands.is_empty() {
        all.push(Cluster::Permissions);
    }
    if !ground.site.budgets.is_empty() {
        all.push(Cluster::Budgets);
    }
    all
}

fn answer(ground: &Ground, index: &Index, cluster: &Cluster) -> Answers {
    let mut asker = Asker::new(ground);
    let mut answers = Answers::default();
    match cluster {
        Cluster::Dossiers(from, to) => {
            for dossier in index.dossiers.get(*from..*to).unwrap_or_default() {
                answers.found.extend(beyond_device::ask(ground, dossier, &mut asker));
                answers.found.extend(contradiction::ask(ground, dossier, &mut asker));
                answers.found.extend(origins::ask(ground, dossier, &mut asker));
            }
        }
        Cluster::Total(at) => {
            if let Some(total) = index.totals.get(*at) {
                answers.found.extend(total::ask(ground, index, total, &mut asker));
            }
        }
        Cluster::Rules(from, to) => {
            answers.findings.extend(dead_rule::ask(ground, index, *from..*to, &mut asker));
        }
        Cluster::Zones => answers.found.extend(opposed::ask(ground, index, &mut asker)),
        Cluster::Permissions => {
            answers.findings.extend(not_permitted::ask(ground, index, &mut asker));
        }
        Cluster::Budgets => answers.findings.extend(budget::ask(ground, index, &mut asker)),
    }
    answers.asked = asker.solver.asked;
    answers
}

/// The same statements clashing on several devices are one finding; at most so many on one device,
/// and then a count. What is undecided counts apart, so that it hides no clash and none hides it.
fn merged(ground: &Ground, found: Vec<Found>) -> Vec<Diagnostic> {
    let mut findings: Vec<Diagnostic> = Vec::new();
    let mut seen: BTreeMap<_, (usize, BTreeSet<_>)> = BTreeMap::new();
    // by subject and kind: how many are shown, the last of them, and how many are not
    let mut counts: BTreeMap<_, (usize, usize, usize)> = BTreeMap::new();
    for one in found {
        let undecided = one.finding.code == codes::OPEN_QUESTION;
        let key = (one.finding.code, one.effects.clone());
        let count = counts.entry((one.subject, undecided)).or_default();
        if let Some((at, on)) = seen.get_mut(&key) {
            on.insert(one.subject);
            count.1 = *at;
        } else if one.counted || count.0 >= MAX_FINDINGS {
            count.2 += 1;
        } else {
            count.0 += 1;
            count.1 = findings.len();
            seen.insert(key, (findings.len(), BTreeSet::from([one.subject])));
            findings.push(one.finding);
        }
    }
    for ((subject, undecided), (_, last, more)) in counts {
        if more > 0
            && let Some(last) = findings.get_mut(last)
        {
            let name = subject_name(ground.site, subject);
            let what = if undecided { "questions about" } else { "clashes on" };
            let least = if more >= MOST_COUNTED { "at least " } else { "" };
            last.notes.push(format!("{least}{more} more {what} `{name}` are not shown"));
        }
    }
    for (at, on) in seen.into_values() {
        if let Some(finding) = findings.get_mut(at)
            && on.len() > 1
        {
            let names: Vec<String> =
                on.iter().take(4).map(|s| format!("`{}`", subject_name(ground.site, *s))).collect();
            let more = if on.len() > 4 { format!(" and {} more", on.len() - 4) } else { String::new() };
            finding.notes.push(format!("the same on {}{more}", names.join(", ")));
        }
    }
    findings
}

/// Runs the work on all clusters, in any order; answers are in the order of clusters.
fn in_threads(clusters: &[Cluster], work: impl Fn(&Cluster) -> Answers + Sync) -> Vec<Answers> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    if threads < 2 || clusters.len() < 8 {
        return clusters.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let mut all: Vec<(usize, Answers)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(cluster) = clusters.get(at) else { return mine };
                        mine.push((at, work(cluster)));
                    }
                })
            })
            .collect();
        // an answer that is lost must not look like a clean one
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        };
        workers.into_iter().flat_map(join).collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, answers)| answers).collect()
}
