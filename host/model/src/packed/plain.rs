//! Formats whose blocks are single numbers.

use half::{bf16, f16};
use multiversion::multiversion;

macro_rules! plain {
    ($($name:ident: $type:ty, $widen:expr;)+) => {
        $(#[multiversion(targets("x86_64+avx2"))]
        pub fn $name(bytes: &[u8], all: &mut Vec<f32>) {
            let widen = $widen;
            all.extend(bytes.as_chunks().0.iter().map(|word| widen(<$type>::from_le_bytes(*word))));
        })+
    };
}

plain! {
    decode_f32: f32, |value: f32| value;
    decode_f16: f16, f16::to_f32;
    decode_bf16: bf16, bf16::to_f32;
    decode_f64: f64, |value: f64| value as f32;
    decode_i8: i8, f32::from;
    decode_i16: i16, f32::from;
    decode_i32: i32, |value: i32| value as f32;
    decode_i64: i64, |value: i64| value as f32;
}
