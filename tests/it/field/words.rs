//! What people read of the field, as a whole: an undo, what status says then, drift, a kill, a silence.

use evl::runtime::load::Papers;
use evl::runtime::report::Report;

use super::apply::{fault, field};
use super::yard::{Host, plan, usual};

/// The words and findings of a report, without what differs from run to run.
fn told(what: &str, report: &Report, papers: &Papers) -> String {
    let mut text = format!("==== {what}: exit {}\n{}", report.exit, report.words());
    for finding in &report.findings {
        text.push_str(&format!("{:?}[{}]: {}\n", finding.severity, finding.code, finding.message));
        finding.notes.iter().for_each(|note| text.push_str(&format!("  note: {note}\n")));
        finding.help.iter().for_each(|help| text.push_str(&format!("  help: {help}\n")));
    }
    for (sequence, name) in [(1, "PLAN-1"), (2, "PLAN-2")] {
        let id = plan(papers, sequence, &usual()).id;
        text = text.replace(&id.to_string()[7..19], name).replace(&id.short().to_string(), name);
    }
    for (name, gateway) in &papers.inventory.gateways {
        text = text.replace(&format!(":{}", gateway.port), &format!(":<{name}>"));
    }
    // how long something took
    for second in 10..25 {
        text = text.replace(&format!("12:00:{second}"), "12:00:<s>");
    }
    // the moment at which somebody gave up waiting
    let pieces: Vec<&str> = text.split("within ").collect();
    let (first, rest) = pieces.split_first().unwrap();
    let rest = rest.iter().map(|piece| {
        let ms = piece.find(" ms").filter(|end| piece[..*end].bytes().all(|b| b.is_ascii_digit()));
        ms.map_or((*piece).to_owned(), |end| format!("<n>{}", &piece[end..]))
    });
    std::iter::once((*first).to_owned()).chain(rest).collect::<Vec<_>>().join("within ") + "\n"
}

#[tokio::test]
async fn words_of_the_field() {
    let (sim, papers) = field(1).await;
    let papers: &'static Papers = Box::leak(Box::new(papers));
    let host: &'static Host = Box::leak(Box::new(Host::new()));
    let (one, two) = (plan(papers, 1, &usual()), plan(papers, 2, &usual()));
    let (one, two): (&'static _, &'static _) = (Box::leak(Box::new(one)), Box::leak(Box::new(two)));
    let mut text = String::new();
    let mut tell = |what: &str, report: &Report| text.push_str(&told(what, report, papers));
    sim.inject(fault(r#"{"device":"charger","point":"current","kind":"stuck"}"#));
    tell("the wallbox sticks", &host.apply(papers, one).await);
    tell("status after the undo", &host.status(papers).await);
    sim.heal();
    sim.inject(fault(r#"{"device":"solar","point":"limit","kind":"clamp","min":700,"max":1000}"#));
    host.release(papers).await;
    sim.poke("solar", "limit", 1000);
    tell("the inverter clamps", &host.apply(papers, one).await);
    sim.heal();
    host.apply(papers, one).await;
    tell("again", &host.apply(papers, one).await);
    sim.poke("solar", "limit", 900);
    tell("status after another master", &host.status(papers).await);
    // begin, intent, frames, and dead
    host.dies_at(2, false);
    assert!(tokio::spawn(host.apply(papers, two)).await.is_err());
    host.dies_at(-1, false);
    std::fs::remove_file(host.state_dir().join("lock")).unwrap();
    tell("status after a kill", &host.status(papers).await);
    sim.inject(fault(r#"{"device":"solar","kind":"no_reply"}"#));
    tell("status of a silent gateway", &host.status(papers).await);
    tell("the next apply", &host.apply(papers, two).await);
    tell("release", &host.release(papers).await);
    insta::assert_snapshot!(text);
}
