//! What the server and the load generator must agree on: the transports, the encoding of an event in
//! each framing and its compression, the routes and the clock. It knows no network, runtime or command line.

pub mod checksum;
pub mod clock;
pub mod deflate;
pub mod endpoint;
pub mod event;
pub mod frame;
pub mod gzip;
pub mod message;
pub mod poll;
pub mod sse;
pub mod stamp;
pub mod transport;

pub use event::Event;
pub use stamp::Stamp;
pub use transport::Transport;
