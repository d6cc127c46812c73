//! What is sent.

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};

/// A JPEG of 1600 × 1200, somewhat like a photograph: slopes, edges, and a little noise.
pub(super) fn heavy() -> Vec<u8> {
    let mut noise = 1_u32;
    let image = RgbImage::from_fn(1600, 1200, |x, y| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (noise >> 29) as u8;
        let edge = if (x / 97 + y / 61) % 2 == 0 { 90 } else { 0 };
        Rgb([
            (x / 10) as u8 + edge / 2 + grain,
            (y / 8) as u8 + grain,
            ((x + y) / 16) as u8 + edge / 3,
        ])
    });
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, 80).encode_image(&image);
    encoded.expect("memory takes what is written");
    bytes
}

pub(super) fn light() -> Vec<u8> {
    (0..4096).map(|i| (i % 251) as u8).collect()
}
