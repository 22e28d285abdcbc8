//! A Redis for a test, on a port of its own, that keeps nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pushbench_server::{BrokerConfig, BrokerMode, Config};

use crate::support::pause;

/// A running Redis. It ends with the test.
pub(crate) struct Redis {
    pub(crate) port: u16,
    process: Child,
}

impl Redis {
    pub(crate) fn start() -> Self {
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            // Somebody else may have taken it in the meantime.
            if let Some(redis) = Self::start_on(port) {
                return redis;
            }
        }
        panic!("Redis does not start");
    }

    pub(crate) fn start_on(port: u16) -> Option<Self> {
        let text = port.to_string();
        let process = Command::new("redis-server")
            .args(["--port", &text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", &std::env::temp_dir().display().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let process = process.unwrap_or_else(|error| {
            panic!("this test needs Redis ({error}): apt-get install redis-server")
        });
        let mut redis = Self { port, process };
        while redis.process.try_wait().unwrap().is_none() {
            let to = TcpStream::connect(("127.0.0.1", port));
            // Where nobody listens, a connection may lead to itself.
            if to.is_ok_and(|to| to.local_addr().unwrap() != to.peer_addr().unwrap()) {
                return Some(redis);
            }
            pause(Duration::from_millis(5));
        }
        None
    }

    /// What a server has to know of it.
    pub(crate) fn config(&self, mode: BrokerMode) -> Config {
        config(self.port, mode)
    }

    /// Sends a command, and gives what comes of the answer at once.
    pub(crate) fn command(&self, words: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(format!("{words}\r\n").as_bytes()).unwrap();
        let mut answer = [0; 16 << 10];
        let length = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server with a broker at this port.
pub(crate) fn config(port: u16, mode: BrokerMode) -> Config {
    let url = format!("redis://127.0.0.1:{port}").parse().unwrap();
    Config { broker: Some(BrokerConfig { url, mode }), ..Config::default() }
}
