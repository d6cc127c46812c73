//! Shares as bars and curves, made of letters.

/// How much of `width` letters a share fills, in whole ones and eighths.
pub(super) fn bar(share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend(
        " ▏▎▍▌▋▊▉"
            .chars()
            .nth(eighths % 8)
            .filter(|letter| *letter != ' '),
    );
    bar
}

/// A letter for each of the last `width` shares, on the right.
pub(super) fn curve(shares: impl DoubleEndedIterator<Item = f64>, width: usize) -> String {
    let levels: Vec<_> = " ▁▂▃▄▅▆▇█".chars().collect();
    let last = levels.len() - 1;
    let letter = |share: f64| {
        // Some is to be told from none.
        let level = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
        levels[if share > 0.0 { level.max(1) } else { level }]
    };
    let mut letters: Vec<_> = shares.rev().take(width).map(letter).collect();
    letters.resize(width, ' ');
    letters.into_iter().rev().collect()
}

/// How many letters of `width` each of the parts has. Together they never have more.
pub(super) fn split<const N: usize>(parts: [usize; N], of: usize, width: usize) -> [usize; N] {
    let mut sum = 0;
    let mut begin = 0;
    parts.map(|part| {
        sum += part;
        let end = sum.min(of) * width / of.max(1);
        let letters = end - begin;
        begin = end;
        letters
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_by_eighths() {
        assert_eq!(bar(0.0, 4), "");
        assert_eq!(bar(0.5, 4), "██");
        assert_eq!(bar(0.53125, 4), "██▏");
        assert_eq!(bar(7.0, 4), "████");
    }

    #[test]
    fn curves_show_the_last_ones_on_the_right() {
        assert_eq!(curve([1.0, 0.5].into_iter(), 4), "  █▄");
        assert_eq!(curve([0.0, 0.001, 0.5, 1.0].into_iter(), 3), "▁▄█");
    }

    #[test]
    fn parts_of_a_whole_fill_it() {
        assert_eq!(split([50, 25, 25], 100, 10), [5, 2, 3]);
        assert_eq!(split([1, 1, 1], 3, 10), [3, 3, 4]);
        assert_eq!(split([0, 0, 0], 0, 10), [0, 0, 0]);
        assert_eq!(split([7, 7, 7], 10, 10), [7, 3, 0]);
    }
}
