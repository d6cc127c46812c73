//! BLAKE3 of a body.

use crate::job::Job;
use crate::refusal::Refusal;

/// Between two looks at whether anybody waits: some tenth of a millisecond.
const CHUNK: usize = 256 << 10;

/// 64 hexadecimal digits.
pub(crate) fn hash(bytes: &[u8], job: &Job) -> Result<String, Refusal> {
    let mut hasher = blake3::Hasher::new();
    for chunk in bytes.chunks(CHUNK) {
        job.check()?;
        hasher.update(chunk);
    }
    Ok(hasher.finalize().to_hex().to_string())
}
