//! The three pipes of a worker. Each has a thread of its own, so that nothing the worker does, or leaves undone,
//! can hold up the engine: not even a worker that never reads.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};

use super::protocol::{Response, read_frame};

/// Lines of standard error that are kept.
const LAST_WORDS: usize = 20;

/// What the worker says, or why no more will come.
pub(super) type Frame = io::Result<(Response, Vec<u8>)>;

pub(super) struct Pipes {
    /// Whole frames for its standard input.
    pub requests: Sender<Vec<u8>>,
    pub frames: Receiver<Frame>,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Pipes {
    /// Of a process that was started with pipes.
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let missing = || io::Error::other("no pipe to it");
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (requests, to_send) = channel();
        let (received, frames) = sync_channel(4);
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let (words, failed) = (last_words.clone(), received.clone());
        std::thread::spawn(move || keep_last_words(BufReader::new(stderr), &words));
        std::thread::spawn(move || send_all(stdin, &to_send, &failed));
        std::thread::spawn(move || receive_all(stdout, &received));
        Ok(Self {
            requests,
            frames,
            last_words,
        })
    }

    /// The last lines of its standard error.
    pub(super) fn last_words(&self) -> Vec<String> {
        let lines = self.last_words.lock();
        lines
            .map(|l| l.iter().cloned().collect())
            .unwrap_or_default()
    }
}

fn send_all(mut stdin: ChildStdin, requests: &Receiver<Vec<u8>>, failed: &SyncSender<Frame>) {
    for frame in requests {
        if let Err(error) = stdin.write_all(&frame) {
            let _ = failed.send(Err(error));
            return;
        }
    }
}

fn receive_all(stdout: ChildStdout, frames: &SyncSender<Frame>) {
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    loop {
        let ended = || Err(io::ErrorKind::UnexpectedEof.into());
        let frame = read_frame(&mut stdout).transpose().unwrap_or_else(ended);
        let was_last = frame.is_err();
        if frames.send(frame).is_err() || was_last {
            return;
        }
    }
}

fn keep_last_words(stderr: impl BufRead, words: &Mutex<VecDeque<String>>) {
    for line in stderr.split(b'\n').map_while(Result::ok) {
        let Ok(mut words) = words.lock() else { return };
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(String::from_utf8_lossy(&line).into_owned());
    }
}
