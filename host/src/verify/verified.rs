//! Programs that may be executed.

use super::{Violation, verify};
use lpu_isa::image::Image;
use lpu_sim::device::{Device, DeviceError};
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

    /// Loads the program into a device.
    ///
    /// # Errors
    /// When the device fails, or is another chip than the program is for.
    pub fn load(&self, device: &mut dyn Device) -> Result<(), DeviceError> {
        device.load(&self.image)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_program::random_program;
    use lpu_isa::Geometry;

    #[test]
    fn a_program_that_breaks_a_rule_is_none() {
        let image = random_program(1, &Geometry::NANO).image;
        let program = VerifiedProgram::new(image.clone()).expect("random programs are legal");
        assert_eq!(*program, image);
        let cut = Image { matrix: Vec::new(), ..program.into_image() };
        assert_eq!(VerifiedProgram::new(cut.clone()), Err(verify(&cut).expect_err("it has no end")));
    }
}
