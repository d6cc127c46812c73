//! What each key means.

use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// That no item begins; or that all goes on.
    Hold,
    /// That a batch is cancelled.
    Cancel,
    /// One batch more at once, or less.
    More,
    Less,
    Skewed,
    Failing,
    /// Many spawned tasks.
    Tasks,
    /// Another batch is to be meant.
    Next,
    Previous,
    Quit,
}

/// For the footer: keys, and what they do, shortly. The most important ones stand first.
pub const HELP: [(&str, &str); 8] = [
    ("q", "quit"),
    ("p", "pause"),
    ("c", "cancel"),
    ("+-", "load"),
    ("s", "skew"),
    ("f", "fail"),
    ("t", "tasks"),
    ("↑↓", "row"),
];

/// None if it means nothing.
pub fn wish(event: &Event) -> Option<Wish> {
    let Event::Key(key) = event else {
        return None;
    };
    // Some terminals also say when a key is let go.
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let with_control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('c') if with_control => Wish::Quit,
        _ if with_control => return None,
        KeyCode::Char('q') => Wish::Quit,
        KeyCode::Char('p') => Wish::Hold,
        KeyCode::Char('c') => Wish::Cancel,
        // The key without shift, on many keyboards.
        KeyCode::Char('+' | '=') => Wish::More,
        KeyCode::Char('-') => Wish::Less,
        KeyCode::Char('s') => Wish::Skewed,
        KeyCode::Char('f') => Wish::Failing,
        KeyCode::Char('t') => Wish::Tasks,
        KeyCode::Down => Wish::Next,
        KeyCode::Up => Wish::Previous,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::KeyEvent;

    fn of(code: KeyCode, modifiers: KeyModifiers) -> Option<Wish> {
        wish(&Event::Key(KeyEvent::new(code, modifiers)))
    }

    #[test]
    fn control_c_quits_and_c_does_not() {
        let c = KeyCode::Char('c');
        assert_eq!(of(c, KeyModifiers::CONTROL), Some(Wish::Quit));
        assert_eq!(of(c, KeyModifiers::NONE), Some(Wish::Cancel));
        assert_eq!(of(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
    }

    #[test]
    fn every_key_of_the_footer_means_something() {
        for keys in HELP.map(|(keys, _)| keys) {
            for key in keys.chars() {
                let code = match key {
                    '↑' => KeyCode::Up,
                    '↓' => KeyCode::Down,
                    letter => KeyCode::Char(letter),
                };
                assert!(of(code, KeyModifiers::NONE).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn nothing_else_means_anything() {
        assert_eq!(of(KeyCode::Char('x'), KeyModifiers::NONE), None);
        assert_eq!(wish(&Event::Resize(80, 24)), None);
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(wish(&Event::Key(released)), None);
    }
}
