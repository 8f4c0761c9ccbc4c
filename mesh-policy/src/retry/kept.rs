//! What was read of a body, kept for another attempt.
//!
//! The bound on a body is one on its bytes, and a caller chooses how many frames they come in. Each frame costs
//! its place and holds on to the buffer that it was read into, whatever its size, so small ones are copied
//! together once there are many, and empty ones are not kept at all.

use bytes::{Bytes, BytesMut};

/// So many frames are kept as they are, which costs no copy.
const AS_THEY_ARE: usize = 16;
/// A frame of so many bytes is worth a place of its own.
const SMALL: usize = 512;
/// Small frames are put together up to so many bytes.
const TOGETHER: usize = 4096;

/// The frames of a body, in order.
#[derive(Default)]
pub(super) struct Kept {
    frames: Vec<Bytes>,
    /// What comes after them: small frames, put together.
    tail: BytesMut,
    /// The attempt that has sent the tail. It becomes a frame as soon as another one reads.
    tail_sent_by: u32,
    bytes: usize,
}

impl Kept {
    /// Adds what an attempt sends that has sent all the others.
    pub(super) fn add(&mut self, data: &Bytes, attempt: u32) {
        if data.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(data.len());
        if self.frames.len() < AS_THEY_ARE || data.len() >= SMALL {
            self.end_tail();
            self.frames.push(data.clone());
            return;
        }
        self.tail.extend_from_slice(data);
        self.tail_sent_by = attempt;
        if self.tail.len() >= TOGETHER {
            self.end_tail();
        }
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.frames.push(self.tail.split().freeze());
        }
    }

    /// The frame with this number, for an attempt that has sent those before; `None` once it has sent all.
    pub(super) fn frame(&mut self, at: usize, attempt: u32) -> Option<&mut Bytes> {
        if self.tail_sent_by != attempt {
            self.end_tail();
        }
        self.frames.get_mut(at)
    }

    /// How many frames there are beside what the attempt that reads has sent anyway.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many bytes were added.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets go of the frames.
    pub(super) fn forget(&mut self) {
        self.frames = Vec::new();
        self.tail = BytesMut::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_of_single_bytes_takes_no_more_than_a_little_beyond_its_bytes() {
        let mut kept = Kept::default();
        for _ in 0..65_536 {
            kept.add(&Bytes::from_static(b"x"), 1);
            kept.add(&Bytes::new(), 1);
        }
        assert_eq!(kept.bytes(), 65_536);
        assert!(kept.len() <= AS_THEY_ARE + 65_536 / TOGETHER, "{}", kept.len());
    }

    proptest! {
        #[test]
        fn whatever_the_frames_each_attempt_reads_the_same_bytes(
            frames in prop::collection::vec(prop_oneof![9 => 0usize..40, 1 => 500usize..5000], 0..200),
            taken_over in prop::collection::vec(0usize..200, 0..4),
        ) {
            let (mut kept, mut attempt, mut at, mut sent, mut given) = (Kept::default(), 1, 0, vec![], vec![]);
            let catch_up = |kept: &mut Kept, attempt, at: &mut usize, sent: &mut Vec<u8>| {
                while let Some(frame) = kept.frame(*at, attempt) {
                    sent.extend_from_slice(frame);
                    *at += 1;
                }
            };
            for (i, size) in frames.iter().enumerate() {
                if taken_over.contains(&i) {
                    (attempt, at, sent) = (attempt + 1, 0, vec![]);
                }
                catch_up(&mut kept, attempt, &mut at, &mut sent);
                prop_assert_eq!(&sent, &given);
                let data: Vec<u8> = (0..*size).map(|byte| (byte + i).to_le_bytes()[0]).collect();
                given.extend_from_slice(&data);
                sent.extend_from_slice(&data);
                kept.add(&Bytes::from(data), attempt);
                at = kept.len();
            }
            (at, sent) = (0, vec![]);
            catch_up(&mut kept, attempt + 1, &mut at, &mut sent);
            prop_assert_eq!(sent, given);
        }
    }
}
