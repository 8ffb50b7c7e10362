//! What the chip flags of a wrong schedule, image or host.

/// Lists fault flags, one line each: doc, name, bit.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident = $bit:literal;)+) => {
        /// Sticky flags that the chip raises for what a wrong schedule, image or host would do.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Fault(pub u32);

        impl Fault {
            $($(#[doc = $doc])+ pub const $name: Fault = Fault(1 << $bit);)+
            /// Every flag with its name and documentation.
            pub const TABLE: &'static [(Fault, &'static str, &'static str)] =
                &[$((Fault::$name, stringify!($name), concat!($($doc),+)),)+];
        }
    };
}

faults! {
    /// The matrix queue's next instruction was not ready: activations less than the least period apart.
    MATRIX_UNDERRUN = 0;
    /// The vector queue's next instruction was not ready: activations less than the least period apart.
    VECTOR_UNDERRUN = 1;
    /// A queue met an opcode that it does not have.
    ILLEGAL_INSTRUCTION = 2;
    /// Two rows reached the write port of vector memory in one cycle.
    VMEM_CONFLICT = 3;
    /// A row of random numbers was taken before it was made.
    NOISE_UNDERRUN = 4;
    /// KV memory was read in the row and cycle in which it was written.
    KV_CONFLICT = 5;
    /// An activation entry was read in the cycle in which it was written.
    ACT_CONFLICT = 6;
    /// A matrix row address was outside its memory.
    MATRIX_ADDRESS = 7;
    /// A vector memory address was outside it.
    VMEM_ADDRESS = 8;
    /// The host accessed a memory while a token ran, or an unknown space or command.
    HOST_ACCESS = 9;
    /// One queue ended while the other waited for it at a `Sync` or `EndLoop`.
    SYNC_LOST = 10;
    /// A reduction wrote a scalar in the cycle in which a vector operation read it.
    SCALAR_CONFLICT = 11;
    /// The transfer queue's next instruction was not ready: activations less than the least period apart.
    TRANSFER_UNDERRUN = 12;
    /// A granule was outside external memory.
    DRAM_ADDRESS = 13;
    /// A transfer used a port that something else used, or turned the bus around without an empty slot.
    TRANSFER_CONFLICT = 14;
}

impl Fault {
    /// Whether any of `other`'s flags is set.
    pub const fn contains(self, other: Fault) -> bool {
        self.0 & other.0 != 0
    }
}
