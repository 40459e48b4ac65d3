//! The byte stream between lapin and the broker. Reads pass the frame filter, writes are unchanged.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::io::{AsyncRead, AsyncWrite};

use super::frames::FrameFilter;

/// How many bytes to read from the socket at a time.
const READ_BYTES: usize = 64 * 1024;

/// A stream whose incoming bytes pass a [`FrameFilter`].
#[derive(Debug)]
pub struct FilteredStream<S> {
    stream: S,
    filter: FrameFilter,
}

impl<S> FilteredStream<S> {
    pub fn new(stream: S, filter: FrameFilter) -> Self {
        Self { stream, filter }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FilteredStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, filter } = self.get_mut();
        loop {
            let filtered = filter.poll_filter(context);
            // What is checked goes out first, even if a message waits for the gate.
            let count = filter.read_into(out);
            if count > 0 || out.is_empty() {
                return Poll::Ready(Ok(count));
            }
            ready!(filtered)?;
            let input = filter.input();
            let end = input.len();
            input.resize(end + READ_BYTES, 0);
            let read = Pin::new(&mut *stream).poll_read(context, &mut input[end..]);
            input.truncate(end + if let Poll::Ready(Ok(count)) = read { count } else { 0 });
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FilteredStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, buffers)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(context)
    }
}
