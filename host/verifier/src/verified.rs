//! Programs that may be executed.

use super::{Violation, verify};
use lpu_isa::image::Image;
use std::ops::Deref;

/// A program image that the verifier has accepted. It never changes: what executes programs takes this type, and nothing is checked twice.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedProgram {
    image: Image,
}

/// The hash of an image that was accepted, so that whoever stores the image need not have it verified again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict(pub u64);

impl VerifiedProgram {
    /// Verifies an image.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn new(image: Image) -> Result<Self, Violation> {
        verify(&image)?;
        Ok(Self { image })
    }

    /// The image that a verdict is about, or none if it is another. Only verdicts of the same build count: who stores them says of which.
    pub fn recalled(image: Image, verdict: Verdict) -> Option<Self> {
        (Verdict(image.hash()) == verdict).then_some(Self { image })
    }

    pub fn verdict(&self) -> Verdict {
        Verdict(self.image.hash())
    }

    /// The image, to be changed: what becomes of it has to be verified again.
    pub fn into_image(self) -> Image {
        self.image
    }
}

impl Deref for VerifiedProgram {
    type Target = Image;

    fn deref(&self) -> &Image {
        &self.image
    }
}
