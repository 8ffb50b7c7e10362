"""Writes the loaded bytes of a 32-bit ELF file from address zero: extract.py ELF FILE."""

import struct
import sys


def image(elf: bytes) -> bytes:
    """The segments that have bytes in the file, at their addresses."""
    assert elf[:6] == b"\x7fELF\x01\x01", "expected a 32-bit little-endian ELF file"
    (first,) = struct.unpack_from("<I", elf, 28)
    size, count = struct.unpack_from("<HH", elf, 42)
    memory = bytearray()
    for index in range(count):
        kind, offset, address, _, length = struct.unpack_from("<IIIII", elf, first + index * size)
        if kind == 1 and length:
            memory.extend(bytes(max(0, address + length - len(memory))))
            memory[address : address + length] = elf[offset : offset + length]
    memory.extend(bytes(-len(memory) % 4))
    return bytes(memory)


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
        target.write(image(source.read()))
