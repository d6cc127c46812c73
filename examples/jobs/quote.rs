//! Quoting for a Bourne shell, byte for byte as GNU parallel does it, so that joblogs agree.

/// Appends an argument such that the shell takes it literally.
pub(crate) fn quote(argument: &[u8], out: &mut Vec<u8>) {
    if argument.is_empty() {
        out.extend(b"''");
        return;
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+/".contains(byte);
    if argument.iter().all(is_plain) {
        out.extend(argument);
        return;
    }
    let start = out.len();
    out.push(b'\'');
    for &byte in argument {
        match byte {
            b'\'' => out.extend(br#"'"'"'"#),
            other => out.push(other),
        }
    }
    out.push(b'\'');
    // A quote at either end leaves an empty pair there.
    if out[start..].starts_with(b"''") {
        out.drain(start..start + 2);
    }
    if out[start..].ends_with(b"''") {
        out.truncate(out.len() - 2);
    }
}
