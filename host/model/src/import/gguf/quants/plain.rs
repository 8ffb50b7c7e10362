//! Formats whose blocks are single numbers.

macro_rules! plain {
    ($($name:ident: $type:ty, $widen:expr;)+) => {
        $(pub fn $name(word: &[u8], all: &mut Vec<f32>) {
            if let Some(bytes) = word.first_chunk() {
                all.push($widen(<$type>::from_le_bytes(*bytes)));
            }
        })+
    };
}

plain! {
    f32: f32, |value| value;
    f16: half::f16, half::f16::to_f32;
    bf16: half::bf16, half::bf16::to_f32;
    f64: f64, |value| value as f32;
    i8: i8, f32::from;
    i16: i16, f32::from;
    i32: i32, |value| value as f32;
    i64: i64, |value| value as f32;
}
