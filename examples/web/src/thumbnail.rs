//! A smaller image, of the same kind: PNG or JPEG.
//!
//! ```text
//! look (kind, size; refused here if too large) ─▶ decode ─▶ resize ─▶ turn (as EXIF says) ─▶ encode
//! ```
//!
//! Between any two of these, and for each few KiB that a PNG decoder reads, it asks whether anybody still waits. Within the
//! decoding of a JPEG, or within a resize, there is no place to ask.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use crate::job::Job;
use crate::refusal::Refusal;

/// Widest thumbnail, in pixels.
pub(crate) const WIDEST: u32 = 4096;

const JPEG_QUALITY: u8 = 85;

/// What a decoder is given at once, in bytes.
const SIP: usize = 8 << 10;

#[derive(Debug)]
pub(crate) struct Thumbnail {
    pub(crate) bytes: Vec<u8>,
    pub(crate) mime: &'static str,
}

/// `width` is that of the result; an image that is not wider keeps its size.
pub(crate) fn thumbnail(
    bytes: &[u8],
    width: u32,
    most_pixels: u64,
    job: &Job,
) -> Result<Thumbnail, Refusal> {
    job.stage("look")?;
    let format = match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => format,
        _ => return Err(Refusal::NoImage),
    };
    if format == ImageFormat::Jpeg && is_cut_short(bytes) {
        let what = "the image cannot be read: it is cut short".to_owned();
        return Err(Refusal::Image(what));
    }
    let damaged = |error: ImageError| {
        job.check()
            .err()
            .unwrap_or_else(|| Refusal::Image(format!("the image cannot be read: {error}")))
    };
    let mut limits = Limits::no_limits();
    // 16 bits for each of four channels, and as much again for what a decoder needs beside.
    limits.max_alloc = Some(most_pixels.saturating_mul(16));
    let mut reader = ImageReader::with_format(Sips::new(bytes, job), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (across, down) = decoder.dimensions();
    if u64::from(across) * u64::from(down) > most_pixels {
        return Err(Refusal::Image(format!(
            "the image has {across} × {down} pixels; at most {most_pixels} are decoded"
        )));
    }
    let turn = decoder.orientation().map_err(damaged)?;
    job.stage("decode")?;
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    job.stage("resize")?;
    let mut image = shrink(image, width, turn);
    job.stage("encode")?;
    image.apply_orientation(turn);
    let mut thumbnail = Vec::new();
    let encoded = match format {
        ImageFormat::Jpeg => {
            JpegEncoder::new_with_quality(&mut thumbnail, JPEG_QUALITY).encode_image(&image)
        }
        _ => image.write_to(Cursor::new(&mut thumbnail), format),
    };
    encoded.map_err(|error| Refusal::Image(format!("the thumbnail cannot be written: {error}")))?;
    Ok(Thumbnail {
        bytes: thumbnail,
        mime: format.to_mime_type(),
    })
}

/// The decoder would paint gray what is missing. A JPEG ends with a marker, after the last of its scans; within a scan there are no such bytes.
fn is_cut_short(jpeg: &[u8]) -> bool {
    let last = |marker| jpeg.windows(2).rposition(|two| two == [0xff, marker]);
    match (last(0xda), last(0xd9)) {
        (Some(scan), Some(end)) => end < scan,
        _ => true,
    }
}

/// `width` is meant after the turn.
fn shrink(image: DynamicImage, width: u32, turn: Orientation) -> DynamicImage {
    let lies = matches!(
        turn,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let (across, down) = (image.width(), image.height());
    let wide = if lies { down } else { across };
    if width >= wide {
        return image;
    }
    let share = f64::from(width) / f64::from(wide);
    // At least one pixel, and never more than before: no loss.
    let scale = |length: u32| (f64::from(length) * share).round().max(1.0) as u32;
    image.resize_exact(scale(across), scale(down), FilterType::Triangle)
}

/// Bytes that are given out little by little, and not to somebody whose work is unwanted.
struct Sips<'b> {
    bytes: Cursor<&'b [u8]>,
    job: &'b Job,
}

impl<'b> Sips<'b> {
    fn new(bytes: &'b [u8], job: &'b Job) -> Self {
        let bytes = Cursor::new(bytes);
        Self { bytes, job }
    }
}

impl Read for Sips<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Sips<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let unwanted = |_| io::Error::other("nobody waits for it");
        self.job.check().map_err(unwanted)?;
        let rest = self.bytes.fill_buf()?;
        Ok(&rest[..rest.len().min(SIP)])
    }

    fn consume(&mut self, length: usize) {
        self.bytes.consume(length);
    }
}

impl Seek for Sips<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}
