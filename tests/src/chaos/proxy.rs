//! A TCP proxy that can stand in any connection: it passes bytes on, holds them back one way or both, and resets.

use super::schedule::Direction;
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// Bytes passed on at a time.
const CHUNK: usize = 64 * 1024;

/// A listener before a server. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Bytes in one piece with which a client makes the way to the server stall.
    trap: Option<usize>,
    to_server_stalled: bool,
    to_client_stalled: bool,
    /// Connections of an earlier count are reset.
    resets: u64,
}

impl State {
    fn stalled(&self, way: Direction) -> bool {
        match way {
            Direction::ToServer => self.to_server_stalled,
            Direction::ToClient => self.to_client_stalled,
            Direction::Both => self.to_server_stalled || self.to_client_stalled,
        }
    }
}

impl Proxy {
    /// Listens on an address and connects to the server's anew for each connection; the server need not run yet.
    pub async fn start(listen: SocketAddr, server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let state = watch::Sender::new(State::default());
        let accepting = tokio::spawn(accept(listener, server, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resets every connection there is.
    pub fn reset(&self) {
        self.state.send_modify(|state| state.resets += 1);
    }

    /// Passes nothing on that way until it is released.
    pub fn stall(&self, direction: Direction) {
        self.state.send_modify(|state| {
            state.to_server_stalled |= direction != Direction::ToClient;
            state.to_client_stalled |= direction != Direction::ToServer;
        });
    }

    /// Passes nothing on to the server from the next piece of at least so many bytes on, which is itself held back.
    pub fn stall_from(&self, bytes: usize) {
        self.state.send_modify(|state| state.trap = Some(bytes));
    }

    /// Passes on what was held back, and everything else.
    pub fn release(&self) {
        self.state.send_modify(|state| *state = State { resets: state.resets, ..State::default() });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: watch::Sender<State>) {
    loop {
        // What cannot be accepted was given up by its client.
        let Ok((client, _)) = listener.accept().await else { continue };
        tokio::spawn(pass(client, server, state.clone()));
    }
}

/// Passes bytes on both ways until both ends have closed. When one breaks off, or a reset is wanted, both are reset.
async fn pass(mut client: TcpStream, server: SocketAddr, state: watch::Sender<State>) {
    let born = state.borrow().resets;
    if let Ok(mut server) = TcpStream::connect(server).await {
        let _ = (server.set_nodelay(true), client.set_nodelay(true));
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let both_ways = async {
            tokio::try_join!(
                carry(client_reads, server_writes, Direction::ToServer, state.clone()),
                carry(server_reads, client_writes, Direction::ToClient, state.clone()),
            )
        };
        let mut ends = state.subscribe();
        tokio::select! {
            ended = both_ways => if ended.is_ok() { return },
            // A proxy that is dropped ends the wait too.
            _ = ends.wait_for(|state| state.resets != born) => {}
        }
        let _ = server.set_zero_linger();
    }
    let _ = client.set_zero_linger();
}

async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    way: Direction,
    state: watch::Sender<State>,
) -> io::Result<()> {
    let mut stalls = state.subscribe();
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await?;
        if way == Direction::ToServer {
            state.send_if_modified(|state| {
                let springs = state.trap.take_if(|bytes| read >= *bytes).is_some();
                state.to_server_stalled |= springs;
                springs
            });
        }
        // What was read while the way was stalled is held back; what comes after it stays with its sender.
        stalls.wait_for(|state| !state.stalled(way)).await.map_err(io::Error::other)?;
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..read]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const SOON: Duration = Duration::from_secs(10);
    const A_WHILE: Duration = Duration::from_millis(200);

    /// A server that says back what it hears, and a client connected through a proxy.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind(LOOPBACK).await.expect("a port");
        let server = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reads, mut writes) = stream.split();
                    let _ = tokio::io::copy(&mut reads, &mut writes).await;
                });
            }
        });
        let proxy = Proxy::start(LOOPBACK, server).await.expect("a port");
        let client = TcpStream::connect(proxy.address()).await.expect("it listens");
        (proxy, client)
    }

    async fn hears(client: &mut TcpStream, what: &[u8]) -> bool {
        let mut heard = vec![0; what.len()];
        timeout(A_WHILE, client.read_exact(&mut heard)).await.is_ok_and(|read| read.is_ok() && heard == what)
    }

    #[tokio::test]
    async fn bytes_pass_both_ways() {
        let (_proxy, mut client) = echo().await;
        client.write_all(b"hello").await.expect("it is sent");
        assert!(hears(&mut client, b"hello").await);
        client.shutdown().await.expect("it is closed");
        let end = timeout(SOON, client.read(&mut [0; 1])).await.expect("the server's end comes through");
        assert_eq!(end.expect("an end"), 0);
    }

    #[tokio::test]
    async fn a_stall_either_way_holds_bytes_back_until_it_is_released() {
        for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
            let (proxy, mut client) = echo().await;
            client.write_all(b"a").await.expect("it is sent");
            assert!(hears(&mut client, b"a").await);
            proxy.stall(direction);
            client.write_all(b"b").await.expect("it is sent");
            assert!(!hears(&mut client, b"b").await, "{direction:?}");
            proxy.release();
            let mut heard = [0; 1];
            timeout(SOON, client.read_exact(&mut heard)).await.expect("in time").expect("it comes");
            assert_eq!(&heard, b"b");
        }
    }

    #[tokio::test]
    async fn a_stall_can_begin_with_the_first_large_piece() {
        let (proxy, mut client) = echo().await;
        proxy.stall_from(4);
        client.write_all(b"abc").await.expect("it is sent");
        assert!(hears(&mut client, b"abc").await);
        client.write_all(b"abcd").await.expect("it is sent");
        assert!(!hears(&mut client, b"abcd").await);
        proxy.release();
        let mut heard = [0; 4];
        timeout(SOON, client.read_exact(&mut heard)).await.expect("in time").expect("it comes");
    }

    #[tokio::test]
    async fn a_reset_ends_connections_and_lets_new_ones_in() {
        let (proxy, mut client) = echo().await;
        client.write_all(b"a").await.expect("it is sent");
        assert!(hears(&mut client, b"a").await);
        proxy.reset();
        let answer = timeout(SOON, client.read(&mut [0; 1])).await.expect("the reset is felt");
        assert_eq!(answer.expect_err("no orderly end").kind(), io::ErrorKind::ConnectionReset);
        let mut again = TcpStream::connect(proxy.address()).await.expect("it listens");
        again.write_all(b"b").await.expect("it is sent");
        assert!(hears(&mut again, b"b").await);
    }
}
