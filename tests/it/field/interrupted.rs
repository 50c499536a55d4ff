//! Runs that are broken off before they wrote: the exit code and the words say so.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::Command as Process;
use std::sync::mpsc::{Receiver, channel};

use super::fixture::Desk;
use super::yard::{inventory_text, papers, yard};

/// A gateway that takes every connection, answers nothing, and tells when it was asked.
fn silent() -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut bytes = [0; 64];
                while stream.read(&mut bytes).is_ok_and(|read| read > 0) {
                    let _ = tell.send(());
                }
            });
        }
    });
    (port, told)
}

#[test]
fn ended_twice_while_asking_nothing_was_written_and_the_code_says_so() {
    for line in ["apply plan.json --yes --once --now 2026-07-14T12:00:10Z", "release --all"] {
        let (port, asked) = silent();
        let text = inventory_text(port, port).replace("timeout: 300 ms", "timeout: 60 s");
        let desk = Desk::new(&papers(yard(), &text), &text);
        let mut run = desk.evl(line).spawn().unwrap();
        asked.recv().unwrap();
        let pid = run.id().to_string();
        let interrupt = || assert!(Process::new("kill").args(["-INT", &pid]).status().unwrap().success());
        interrupt();
        let mut words = String::new();
        let mut lines = BufReader::new(run.stderr.take().unwrap());
        lines.read_line(&mut words).unwrap();
        assert!(words.starts_with("asked to end"), "{line}: {words}");
        interrupt();
        lines.read_to_string(&mut words).unwrap();
        assert_eq!(run.wait().unwrap().code(), Some(1), "{line}: {words}");
        assert!(
            words.contains("error[EVL1220]: ended as asked, before anything was written"),
            "{line}: {words}"
        );
        assert!(!words.contains("is not known"), "{line}: {words}");
        // what comes next finds nothing open
        for begun in ["\"begin\"", "\"intent\"", "\"release\""] {
            assert!(!desk.journal().contains(begun), "{line}: {}", desk.journal());
        }
    }
}
