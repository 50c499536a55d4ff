//! A journal that is laid aside while a host goes on: killed at any point, or without room for it, the
//! next apply knows what the last did.

use std::path::Path;

use evl::bundle::CommandForm;
use evl::diag::{ExitCode, codes};
use evl::ir::Attr;
use evl::runtime::journal::{Journal, Record};
use evl::runtime::load::Papers;

use super::apply::field;
use super::safety::Yard;
use super::yard::{Host, ends, plan, usual};

const OTHER: [super::yard::Command<'static>; 1] = [("solar", Attr::Power, CommandForm::AtMost, 300)];

/// Lines that mean nothing, until the journal is long.
fn lengthen(host: &Host) {
    let latch = "x".repeat(64 << 10);
    let reset = || Record::Reset { site: "yard".to_owned(), latch: latch.clone(), by: "admin".to_owned() };
    let journal = Journal::open(host, &host.state_dir(), "yard").unwrap();
    journal.append(host.now(), (0..70).map(|_| reset()).collect()).unwrap();
}

fn parts(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter(|name| name.to_string_lossy().starts_with("journal-")).count()
}

/// What was open stays open, what was accepted stays accepted.
#[tokio::test]
async fn killed_while_it_is_laid_aside_a_host_knows_what_it_knew() {
    let mut boundaries = 0;
    for durable in [false, true] {
        for replaced in 0.. {
            let (sim, papers) = field(1).await;
            let papers: &'static Papers = Box::leak(Box::new(papers));
            let host: &'static Host = Box::leak(Box::new(Host::new()));
            let one: &'static _ = Box::leak(Box::new(plan(papers, 5, &usual())));
            // begin, intent, frames, and dead before the result is durable
            host.dies_at(2, false);
            assert!(tokio::spawn(host.apply(papers, one)).await.is_err());
            host.dies_at(-1, false);
            lengthen(host);
            let before = Journal::read(host, &host.state_dir(), "yard").unwrap().past();
            let two: &'static _ = Box::leak(Box::new(plan(papers, 6, &OTHER)));
            host.dies_replacing(replaced, durable);
            let killed = tokio::spawn(host.apply(papers, two)).await.is_err();
            host.dies_replacing(-1, false);
            if !killed {
                break;
            }
            boundaries += 1;
            assert_eq!(
                Journal::read(host, &host.state_dir(), "yard").unwrap().past(),
                before,
                "{replaced} {durable}"
            );
            let status = host.status(papers).await;
            assert_eq!(status.exit_code(), ExitCode::Findings, "{}", status.words());
            assert!(status.findings[0].message.contains("did not end"), "{:?}", status.findings);
            let overtaken = host.apply(papers, &plan(papers, 4, &OTHER)).await;
            assert_eq!(ends(&overtaken), (ExitCode::Findings, vec![codes::OLD_SEQUENCE]));
            let report = host.apply(papers, two).await;
            assert_eq!(report.exit_code(), ExitCode::Success, "{replaced} {durable}: {}", report.words());
            assert_eq!(sim.peek("pack", "mode"), Some(0), "the first is brought back");
            assert_eq!(sim.peek("solar", "limit"), Some(300));
            assert_eq!(parts(&host.state_dir()), 1, "{replaced} {durable}");
            assert!(host.journal().lines().next().unwrap().contains("\"carried\""));
            let status = host.status(papers).await;
            assert_eq!(ends(&status), (ExitCode::Success, vec![]), "{}", status.words());
        }
    }
    // the copy and the new file, each before and after
    assert_eq!(boundaries, 4);
}

#[tokio::test]
async fn a_disk_that_fills_while_it_is_laid_aside_keeps_nothing_back() {
    for replaced in [0, 1] {
        let (_sim, papers) = field(1).await;
        let host = Host::new();
        assert_eq!(host.apply(&papers, &plan(&papers, 1, &usual())).await.exit_code(), ExitCode::Success);
        lengthen(&host);
        host.full_at_replacing(replaced);
        let report = host.apply(&papers, &plan(&papers, 2, &OTHER)).await;
        assert_eq!(ends(&report), (ExitCode::Success, vec![]), "{replaced}: {}", report.words());
        assert_eq!(parts(&host.state_dir()), 0, "no copy is left to fill the disk");
        let status = host.status(&papers).await;
        assert_eq!(status.sequence, Some(2), "{}", status.words());
        // with room again
        assert_eq!(host.release(&papers).await.exit_code(), ExitCode::Success);
        assert_eq!(parts(&host.state_dir()), 1);
    }
}

/// On a disk without room for anything but the reserve the safety class is obeyed and recorded.
#[tokio::test]
async fn safety_is_obeyed_and_recorded_where_nothing_can_be_laid_aside() {
    let Some(mut yard) = Yard::start() else { return };
    let host = Host::new();
    let one = plan(&yard.papers, 1, &usual());
    assert_eq!(host.apply(&yard.papers, &one).await.exit_code(), ExitCode::Success);
    lengthen(&host);
    yard.renew();
    yard.air(100);
    host.disk_full(true);
    host.full_at_replacing(0);
    let report = host.apply(&yard.papers, &plan(&yard.papers, 2, &usual())).await;
    assert_ne!(report.exit_code(), ExitCode::Unknown, "{}", report.words());
    assert_eq!(yard.fixture.peek(1, "123.Conn"), 0);
    assert!(host.journal().contains("\"secured\""));
    assert!(!host.state_dir().join("reserve").exists());
    assert_eq!(parts(&host.state_dir()), 0);
}
