//! An HTTP client that knows as much as the load needs: POST and GET, connections that are kept, bodies whose length is told.

use std::io;
use std::net::SocketAddr;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub(super) struct Client {
    server: SocketAddr,
    idle: Mutex<Vec<TcpStream>>,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self {
            server,
            idle: Mutex::default(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> io::Result<Reply> {
        self.send(
            &format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.server),
            &[],
        )
        .await
    }

    pub(super) async fn post(&self, path: &str, body: &[u8]) -> io::Result<Reply> {
        let (server, length) = (self.server, body.len());
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-length: {length}\r\n\r\n");
        self.send(&head, body).await
    }

    async fn send(&self, head: &str, body: &[u8]) -> io::Result<Reply> {
        // The server may have closed a connection that was kept: then that says nothing of this request.
        let kept = self.idle.lock().pop();
        if let Some(kept) = kept
            && let Ok(reply) = self.send_over(kept, head, body).await
        {
            return Ok(reply);
        }
        let connection = TcpStream::connect(self.server).await?;
        connection.set_nodelay(true)?;
        self.send_over(connection, head, body).await
    }

    async fn send_over(
        &self,
        mut connection: TcpStream,
        head: &str,
        body: &[u8],
    ) -> io::Result<Reply> {
        let written = async {
            connection.write_all(head.as_bytes()).await?;
            connection.write_all(body).await
        };
        // Who does not want to read all of it may have answered all the same.
        let written = written.await;
        let (reply, is_kept) = read(&mut connection).await?;
        if is_kept && written.is_ok() {
            self.idle.lock().push(connection);
        }
        Ok(reply)
    }
}

/// The reply, and whether the connection may be used again.
async fn read(connection: &mut TcpStream) -> io::Result<(Reply, bool)> {
    let mut bytes = Vec::with_capacity(4096);
    let end = loop {
        if connection.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "no reply of HTTP/1.1");
    let mut lines = head.lines();
    let first = lines.next().and_then(|line| line.strip_prefix("http/1.1 "));
    let code = first.and_then(|rest| rest.get(..3)?.parse().ok());
    let code = code.ok_or_else(wrong)?;
    let header = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.find_map(|(field, value)| (field == name).then(|| value.trim()))
    };
    let length: usize = header("content-length")
        .and_then(|length| length.parse().ok())
        .ok_or_else(wrong)?;
    while body.len() < length {
        if connection.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let is_kept = header("connection") != Some("close");
    Ok((Reply { code, body }, is_kept))
}
