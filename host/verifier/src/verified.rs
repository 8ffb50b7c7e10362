//! Programs that may be executed.

use super::{Violation, verify};
use lpu_isa::image::Image;
use std::ops::Deref;

/// A program image that the verifier has accepted. There is no other way to make one, and it never changes: what executes programs
/// takes this type, and nothing is checked twice.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedProgram {
    image: Image,
}

impl VerifiedProgram {
    /// Verifies an image.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn new(image: Image) -> Result<Self, Violation> {
        verify(&image)?;
        Ok(Self { image })
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
