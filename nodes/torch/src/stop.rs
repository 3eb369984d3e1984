//! How long work ends before it is done: asked to, it saves what it has; where the engine is gone, there is nobody to work for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::SigId;
use signal_hook::consts::SIGTERM;

/// Whether no work listens.
static IDLE: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// Whether the process was asked to end (SIGTERM) while this was held. At any other time it ends when it is asked to.
pub struct Asked {
    flag: Arc<AtomicBool>,
    id: SigId,
}

impl Asked {
    pub fn listen() -> io::Result<Self> {
        // A signal that was listened to once is ignored afterwards, unless it is said what becomes of it then.
        static ENDS: OnceLock<()> = OnceLock::new();
        if ENDS.get().is_none() {
            signal_hook::flag::register_conditional_default(SIGTERM, IDLE.clone())?;
            let _ = ENDS.set(());
        }
        let flag = Arc::new(AtomicBool::new(false));
        let id = signal_hook::flag::register(SIGTERM, flag.clone())?;
        IDLE.store(false, Ordering::SeqCst);
        Ok(Self { flag, id })
    }

    pub fn to_end(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        IDLE.store(true, Ordering::SeqCst);
        signal_hook::low_level::unregister(self.id);
    }
}

/// Ends the process where the other end of its standard input is closed while work listens. Other work notices at its end.
pub fn end_with_engine() {
    std::thread::spawn(|| {
        let stdin = io::stdin();
        loop {
            // No event is asked for: that a pipe is closed is told anyway.
            let mut pipe = [PollFd::new(&stdin, PollFlags::empty())];
            match poll(&mut pipe, None) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) if pipe[0].revents().contains(PollFlags::HUP) => break,
                _ => return,
            }
        }
        while IDLE.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::process::exit(0);
    });
}
