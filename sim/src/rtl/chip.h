// A Verilated chip behind its byte port.
#pragma once
#include "rust/cxx.h"
#include <cstdint>
#include <memory>

namespace lpu {

struct RawEvent;
enum class WavesState : uint8_t;

class Chip {
public:
    virtual ~Chip() = default;
    virtual bool send(rust::Slice<const uint8_t> bytes, uint64_t patience) = 0;
    virtual bool receive(rust::Slice<uint8_t> bytes, uint64_t patience) = 0;
    virtual uint64_t cycles() const = 0;
    virtual rust::String violation() const = 0;
    virtual void record(bool on) = 0;
    virtual rust::Vec<RawEvent> take() = 0;
    virtual WavesState waves(rust::Str path, uint16_t first, uint16_t last) = 0;
};

std::unique_ptr<Chip> new_chip(size_t number);

} // namespace lpu
