use super::*;
use crate::runtime::memory::Memory;
use crate::system::MemorySystem;

fn begin(sequence: u64) -> Record {
    Record::Begin {
        asks: std::collections::BTreeMap::new(),
        site: "harbor".to_owned(),
        plan: Hash::of(&sequence.to_be_bytes()),
        sequence,
        step: 0,
        until: Instant(900),
    }
}

fn intent(old: i64, new: i64) -> Record {
    let cells = vec![Cell { point: "limit".to_owned(), old, new, via: Vec::new(), guard: false }];
    let change = DeviceChange { device: "solar".to_owned(), cells, words: "limit".to_owned() };
    Record::Intent { gateway: "roof".to_owned(), devices: vec![change] }
}

fn text(system: &MemorySystem) -> String {
    String::from_utf8(system.files()[Path::new("/state/journal.jsonl")].clone()).unwrap()
}

#[test]
fn what_was_written_is_read_back() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    journal.append(Instant(5), vec![begin(1), intent(1000, 500)]).unwrap();
    let again = Journal::read(&system, folder, "harbor").unwrap();
    assert_eq!(again.past(), journal.past());
    let left = again.past().unfinished.clone().unwrap();
    assert_eq!(left.open[0].1[0].cells[0].old, 1000);
    assert_eq!(again.past().accepted.as_ref().unwrap().1, 1);
    journal.append(Instant(6), vec![Record::End { exit: 0 }]).unwrap();
    assert_eq!(Journal::read(&system, folder, "harbor").unwrap().past().unfinished, None);
}

#[test]
fn a_resumed_apply_still_knows_what_was_there_first() {
    let system = MemorySystem::new();
    let journal = Journal::open(&system, Path::new("state"), "harbor").unwrap();
    journal.append(Instant(5), vec![begin(1), intent(1000, 500)]).unwrap();
    journal.append(Instant(7), vec![begin(1), intent(500, 400)]).unwrap();
    let cell = journal.past().unfinished.clone().unwrap().open[0].1[0].cells[0].clone();
    assert_eq!((cell.old, cell.new, cell.via), (1000, 400, vec![500]));
}

#[test]
fn a_torn_last_line_is_dropped_and_any_other_damage_refused() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    journal.append(Instant(5), vec![begin(1), intent(1000, 500)]).unwrap();
    let whole = text(&system);

    let torn = system.clone().file("state/journal.jsonl", format!("{whole}{{\"at\":\"20"));
    let journal = Journal::open(&torn, folder, "harbor").unwrap();
    assert!(journal.past().unfinished.is_some());
    journal.append(Instant(6), vec![Record::End { exit: 4 }]).unwrap();
    assert_eq!(Journal::read(&torn, folder, "harbor").unwrap().past().unfinished, None);

    for (from, to) in [("\"new\":500", "\"new\":501"), ("\"sequence\":1", "\"sequence\":9")] {
        let edited = MemorySystem::new().file("state/journal.jsonl", whole.replace(from, to));
        assert_eq!(Journal::open(&edited, folder, "harbor").unwrap_err().code, codes::JOURNAL, "{to}");
    }
}

/// A new state folder would accept again what was overtaken: what is known of the sequence is told.
#[test]
fn a_damaged_journal_names_the_sequence_that_is_still_known() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    for sequence in [3, 4] {
        journal.append(Instant(5), vec![begin(sequence), Record::End { exit: 0 }]).unwrap();
    }
    let whole = text(&system);
    let of = |text: String| {
        let system = MemorySystem::new().file("state/journal.jsonl", text);
        let error = Journal::open(&system, folder, "harbor").unwrap_err();
        assert_eq!(error.code, codes::JOURNAL);
        (error.notes.clone(), error.help.unwrap())
    };
    let (notes, help) = of(whole.replacen("\"exit\":0", "\"exit\":4", 1));
    assert_eq!(
        notes,
        [
            "line 2 was changed after it was written",
            "the last plan accepted before that line has sequence 3",
            "from that line on, where nothing is certain, a plan of sequence 4 is named"
        ]
    );
    assert!(help.contains("put at least `\"sequence\": 4` into the state"), "{help}");
    let (notes, help) = of(whole.replace("\"sequence\":3", "\"sequence\":2"));
    assert_eq!(notes[1], "from that line on, where nothing is certain, a plan of sequence 4 is named");
    assert!(help.contains("\"sequence\": 4"), "{help}");
    let last = whole.rfind("\"exit\":0").unwrap();
    let (notes, help) = of(format!("{}\"exit\":4{}", &whole[..last], &whole[last + 8..]));
    assert_eq!(notes[1], "the last plan accepted before that line has sequence 4");
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(help.contains("\"sequence\": 4") && help.contains("--state-dir"), "{help}");
    let (notes, help) = of("{}\n".to_owned());
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(help.contains("the sequence of the last plan that was made"), "{help}");
}

/// Seventy lines of 64 KiB each.
fn long(journal: &Journal<'_>, at: i64) {
    let latch = "x".repeat(64 << 10);
    let reset = || Record::Reset { site: "harbor".to_owned(), latch: latch.clone(), by: "admin".to_owned() };
    journal.append(Instant(at), (0..70).map(|_| reset()).collect()).unwrap();
}

fn file(system: &MemorySystem, name: &str) -> Option<Vec<u8>> {
    system.files().get(&Path::new("/state").join(name)).cloned()
}

/// The chain runs through all files from the first line on.
fn chained(files: &[Vec<u8>]) -> usize {
    let (mut prev, mut count) = (Hash::default(), 0);
    for piece in files.concat().split_inclusive(|byte| *byte == b'\n') {
        let line: Line = serde_json::from_slice(piece).unwrap();
        assert_eq!((&line.prev, &line.hash), (&prev, &line.content()), "line {count}");
        (prev, count) = (line.hash, count + 1);
    }
    count
}

#[test]
fn a_long_journal_goes_on_in_a_new_file_that_tells_the_same() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    journal.append(Instant(5), vec![begin(7), intent(1000, 500)]).unwrap();
    long(&journal, 6);
    let (before, old) = (journal.past(), text(&system));
    // whoever only reads lays nothing aside
    Journal::read(&system, folder, "harbor").unwrap();
    assert_eq!(text(&system), old);
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(journal.past(), before);
    assert_eq!(Journal::read(&system, folder, "harbor").unwrap().past(), before);
    assert_eq!(file(&system, "journal-000001.jsonl").unwrap(), old.as_bytes());
    assert_eq!(text(&system).lines().count(), 1);
    assert_eq!(before.accepted.as_ref().unwrap().1, 7);
    assert_eq!(before.unfinished.as_ref().unwrap().open[0].1[0].cells[0].old, 1000);

    // a second time, and with a record behind
    journal.append(Instant(7), vec![Record::End { exit: 6 }]).unwrap();
    long(&journal, 8);
    let before = journal.past();
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(journal.past(), before);
    journal.append(Instant(9), vec![begin(8)]).unwrap();
    let again = Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(again.past().accepted.unwrap().1, 8);
    assert_eq!(again.past().unknown.len(), 1, "{:?}", again.past());
    let parts = ["journal-000001.jsonl", "journal-000002.jsonl", "journal.jsonl"];
    let files: Vec<Vec<u8>> = parts.iter().map(|name| file(&system, name).unwrap()).collect();
    assert_eq!(chained(&files), 72 + 72 + 2);
    assert_eq!(file(&system, "journal-000003.jsonl"), None);
}

#[test]
fn writes_of_more_than_a_day_ago_are_not_carried() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    journal.append(Instant(5), vec![begin(1), intent(1000, 500), Record::End { exit: 0 }]).unwrap();
    long(&journal, 5 + 86_399);
    let carried = Journal::open(&system, folder, "harbor").unwrap().past();
    assert_eq!(carried.writes("solar", Instant(6))["limit"], 1);
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    long(&journal, 5 + 86_400);
    assert!(Journal::open(&system, folder, "harbor").unwrap().past().written.is_empty());
}

/// A first line that is longer than the limit does not make each opening lay another file aside.
#[test]
fn a_long_first_line_is_laid_aside_only_when_as_much_follows() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    let latches = (0..90).map(|n| format!("{n} {}", "x".repeat(64 << 10))).collect();
    let memory = Memory { latches, ..Memory::default() };
    journal.append(Instant(5), vec![Record::Memory { site: "harbor".to_owned(), memory }]).unwrap();
    for _ in 0..3 {
        let journal = Journal::open(&system, folder, "harbor").unwrap();
        journal.append(Instant(6), vec![begin(1)]).unwrap();
    }
    assert!(file(&system, "journal-000001.jsonl").is_none(), "one line, however long, is the first");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    long(&journal, 7);
    Journal::open(&system, folder, "harbor").unwrap();
    assert!(file(&system, "journal-000001.jsonl").is_none(), "less than the first line");
    long(&journal, 8);
    Journal::open(&system, folder, "harbor").unwrap();
    assert!(file(&system, "journal-000001.jsonl").is_some());
}

/// An older journal that somebody put back overwrites no part that it never knew.
#[test]
fn parts_of_another_time_are_kept() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    long(&journal, 5);
    let old = text(&system);
    journal.append(Instant(6), vec![begin(1)]).unwrap();
    Journal::open(&system, folder, "harbor").unwrap();
    let first = file(&system, "journal-000001.jsonl").unwrap();
    let system = system.file("state/journal.jsonl", &old);
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(journal.past().accepted, None);
    assert_eq!(file(&system, "journal-000001.jsonl").unwrap(), first);
    assert_eq!(file(&system, "journal-000002.jsonl").unwrap(), old.as_bytes());
    // what was only begun to be laid aside is done again
    let system = MemorySystem::new().file("state/journal.jsonl", &old);
    let system = system.file("state/journal-000001.jsonl", &old[..old.find('\n').unwrap()]);
    Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(file(&system, "journal-000001.jsonl").unwrap(), old.as_bytes());
    assert_eq!(file(&system, "journal-000002.jsonl"), None);
}

/// A link that waits under the next part's name is no copy, whatever it leads to.
#[test]
fn a_link_takes_the_place_of_no_part() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    long(&Journal::open(&system, folder, "harbor").unwrap(), 5);
    let old = text(&system);
    let system = system.file("theirs", &old).link("state/journal-000001.jsonl", "../theirs");
    Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(file(&system, "journal-000002.jsonl").unwrap(), old.as_bytes());
    assert_eq!(system.files()[Path::new("/theirs")], old.as_bytes());
    // nor is one that stands for the journal itself
    let system = MemorySystem::new().file("theirs", "").link("state/journal.jsonl", "../theirs");
    for fault in [Journal::open(&system, folder, "harbor"), Journal::read(&system, folder, "harbor")] {
        let fault = fault.unwrap_err();
        assert_eq!(fault.code, codes::UNWRITABLE);
        assert!(fault.message.contains("symbolic link"), "{fault:?}");
    }
}

#[test]
fn a_full_disk_lays_nothing_aside_and_keeps_nobody_back() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    journal.append(Instant(5), vec![begin(7)]).unwrap();
    long(&journal, 6);
    let (before, old) = (journal.past(), text(&system));
    system.set_full(true);
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!((journal.past(), text(&system)), (before, old.clone()));
    assert_eq!(file(&system, "journal-000001.jsonl"), None);
    system.set_full(false);
    journal.append(Instant(7), vec![Record::End { exit: 0 }]).unwrap();
    assert!(text(&system).starts_with(&old));
    // room again: now it is laid aside
    let again = Journal::open(&system, folder, "harbor").unwrap();
    assert_eq!(again.past(), journal.past());
    assert!(file(&system, "journal-000001.jsonl").unwrap().starts_with(old.as_bytes()));
}

#[test]
fn a_journal_that_is_gone_while_its_parts_are_there_is_no_empty_one() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    let journal = Journal::open(&system, folder, "harbor").unwrap();
    journal.append(Instant(5), vec![begin(7)]).unwrap();
    long(&journal, 6);
    Journal::open(&system, folder, "harbor").unwrap();
    let carried = text(&system);
    system.remove(Path::new("state/journal.jsonl")).unwrap();
    let error = Journal::open(&system, folder, "harbor").unwrap_err();
    assert_eq!(error.code, codes::JOURNAL);
    assert!(error.notes[0].contains("`journal-000001.jsonl`"), "{:?}", error.notes);
    // what was carried is chained too, stands first and nowhere else, and names its sequence when damaged
    let edited = MemorySystem::new().file("state/journal.jsonl", carried.replace(",7]", ",6]"));
    let error = Journal::open(&edited, folder, "harbor").unwrap_err();
    assert_eq!(error.notes[1], "from that line on, where nothing is certain, a plan of sequence 6 is named");
    let twice = MemorySystem::new().file("state/journal.jsonl", format!("{carried}{carried}"));
    let error = Journal::open(&twice, folder, "harbor").unwrap_err();
    assert_eq!(error.notes[1], "the last plan accepted before that line has sequence 7");
    let foreign = MemorySystem::new().file("state/journal.jsonl", &carried);
    assert_eq!(Journal::open(&foreign, folder, "airport").unwrap_err().code, codes::JOURNAL);
}

#[test]
fn another_sites_journal_is_refused() {
    let system = MemorySystem::new();
    let folder = Path::new("state");
    Journal::open(&system, folder, "harbor").unwrap().append(Instant(5), vec![begin(1)]).unwrap();
    let error = Journal::open(&system, folder, "airport").unwrap_err();
    assert_eq!(error.code, codes::JOURNAL);
    assert_eq!(error.notes, ["it belongs to the site `harbor`, not to `airport`"]);
}

#[test]
fn a_full_disk_spends_the_reserve() {
    let system = MemorySystem::new();
    let journal = Journal::open(&system, Path::new("state"), "harbor").unwrap();
    assert_eq!(system.files()[Path::new("/state/reserve")].len(), RESERVE);
    system.set_full(true);
    // a memory disk that is full stays full: what counts is that the reserve was given up
    assert!(journal.append(Instant(5), vec![begin(1)]).is_err());
    assert!(!system.files().contains_key(Path::new("/state/reserve")));
    assert_eq!(journal.past().accepted, None);
}
