//! Thumbnails: what comes out, and what is refused.

use std::io::Cursor;

use ganger_web::settings::{Kind, Settings};
use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::house::{House, Reply, everywhere, settings};

/// Red to the left, blue to the right.
pub(crate) fn picture(width: u32, height: u32) -> DynamicImage {
    let color = |x, _| {
        if x < width / 2 {
            Rgb([250, 0, 0])
        } else {
            Rgb([0, 0, 250])
        }
    };
    RgbImage::from_fn(width, height, color).into()
}

pub(crate) fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), format)
        .unwrap();
    bytes
}

#[track_caller]
fn decoded(reply: &Reply, format: ImageFormat) -> DynamicImage {
    reply.is(200, "");
    assert_eq!(reply.mime.as_deref(), Some(format.to_mime_type()));
    image::load_from_memory_with_format(&reply.body, format).unwrap()
}

fn a_house() -> House {
    House::open(settings(Kind::Ganger, 2))
}

#[test]
fn thumbnails_have_the_asked_width_the_same_shape_and_kind() {
    everywhere(|settings| {
        let house = House::open(settings);
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let bytes = encoded(&picture(200, 120), format);
            let small = decoded(&house.post("/thumbnail?w=50", &bytes), format).into_rgb8();
            assert_eq!(small.dimensions(), (50, 30));
            let (left, right) = (small.get_pixel(5, 15), small.get_pixel(45, 15));
            assert!(left[0] > 200 && left[2] < 50, "{left:?}");
            assert!(right[2] > 200 && right[0] < 50, "{right:?}");
        }
    });
}

#[test]
fn images_are_never_made_wider() {
    let house = a_house();
    let bytes = encoded(&picture(20, 10), ImageFormat::Png);
    for width in [20, 21, 4096] {
        let reply = house.post(&format!("/thumbnail?w={width}"), &bytes);
        let same = decoded(&reply, ImageFormat::Png);
        assert_eq!((same.width(), same.height()), (20, 10));
    }
}

#[test]
fn an_extreme_shape_keeps_a_pixel() {
    let house = a_house();
    let flat = encoded(&picture(3000, 2), ImageFormat::Png);
    let flat = decoded(&house.post("/thumbnail?w=10", &flat), ImageFormat::Png);
    assert_eq!((flat.width(), flat.height()), (10, 1));
    let high = encoded(&picture(2, 3000), ImageFormat::Jpeg);
    let high = decoded(&house.post("/thumbnail?w=1", &high), ImageFormat::Jpeg);
    assert_eq!((high.width(), high.height()), (1, 1500));
}

#[test]
fn gray_transparent_and_deep_images_are_read() {
    let house = a_house();
    let picture = picture(64, 64);
    let kinds: [DynamicImage; 5] = [
        picture.to_luma8().into(),
        picture.to_luma_alpha8().into(),
        picture.to_rgba8().into(),
        picture.to_luma16().into(),
        picture.to_rgba16().into(),
    ];
    for kind in kinds {
        let bytes = encoded(&kind, ImageFormat::Png);
        let small = decoded(&house.post("/thumbnail?w=8", &bytes), ImageFormat::Png);
        assert_eq!((small.width(), small.color()), (8, kind.color()));
    }
    let gray = encoded(&picture.to_luma8().into(), ImageFormat::Jpeg);
    let small = decoded(&house.post("/thumbnail?w=8", &gray), ImageFormat::Jpeg);
    assert_eq!(small.width(), 8);
}

/// A camera that was held upright.
#[test]
fn a_turned_photograph_comes_out_upright() {
    let house = a_house();
    for turn in 1..=8 {
        let bytes = with_orientation(&encoded(&picture(120, 60), ImageFormat::Jpeg), turn);
        let small = decoded(&house.post("/thumbnail?w=30", &bytes), ImageFormat::Jpeg);
        let mut meant = picture(120, 60);
        meant.apply_orientation(Orientation::from_exif(turn).unwrap());
        let meant = meant.resize_exact(
            30,
            30 * meant.height() / meant.width(),
            image::imageops::FilterType::Triangle,
        );
        let (small, meant) = (small.into_rgb8(), meant.into_rgb8());
        assert_eq!(small.dimensions(), meant.dimensions(), "turn {turn}");
        let (width, height) = meant.dimensions();
        for (x, y) in [
            (3, 3),
            (width - 4, 3),
            (3, height - 4),
            (width - 4, height - 4),
        ] {
            let (is, should) = (small.get_pixel(x, y), meant.get_pixel(x, y));
            assert!(
                is[0].abs_diff(should[0]) < 60,
                "turn {turn}, {x} {y}: {is:?} {should:?}"
            );
        }
    }
}

/// Puts the shortest EXIF block with an orientation after the first marker.
fn with_orientation(jpeg: &[u8], turn: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([turn, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn what_is_no_image_is_said_to_be_none() {
    everywhere(|settings| {
        let house = House::open(settings);
        let gif = b"GIF89a\x01\0\x01\0\0\0\0;";
        for body in [&b""[..], b"hello", gif, &[0; 5000]] {
            house
                .post("/thumbnail?w=9", body)
                .is(415, "neither PNG nor JPEG");
        }
    });
}

#[test]
fn damaged_images_are_refused_and_the_next_one_is_served() {
    everywhere(|settings| {
        let house = House::open(settings);
        let picture = picture(300, 200);
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encoded(&picture, format);
            for length in [12, 30, whole.len() / 2, whole.len() - 20] {
                let reply = house.post("/thumbnail?w=9", &whole[..length]);
                reply.is(422, "the image cannot be read");
            }
            let mut wrong = whole.clone();
            wrong[12..60].fill(0x55);
            house
                .post("/thumbnail?w=9", &wrong)
                .is(422, "cannot be read");
            house.post("/thumbnail?w=9", &whole).is(200, "");
        }
    });
}

#[test]
fn a_bomb_is_refused_by_its_head() {
    let house = a_house();
    let mut bomb = encoded(&picture(64, 64), ImageFormat::Jpeg);
    let frame = bomb.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    // Height and width in the head of the frame: it would be 12 GiB.
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    house
        .post("/thumbnail?w=9", &bomb)
        .is(422, "65500 × 65500 pixels; at most 50000000");

    let small = House::open(Settings {
        max_pixels: 10_000,
        ..settings(Kind::Ganger, 1)
    });
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let large = encoded(&picture(101, 100), format);
        small
            .post("/thumbnail?w=9", &large)
            .is(422, "101 × 100 pixels; at most 10000");
        let fits = encoded(&picture(100, 100), format);
        small.post("/thumbnail?w=9", &fits).is(200, "");
    }
}
