// Notes the writes to a chip's memories, as its trace ports show them.
#pragma once
#include "driver.h"
#include "lpu_chips.h"
#include <utility>
#include <vector>

namespace lpu {

// Kinds of RawEvent.
enum Kind : uint8_t {
    kVmem = 0,
    kVreg = 1,
    kMaximum = 2,
    kReduction = 3,
    kAct = 4,
    kKey = 5,
    kValue = 6,
    kTransferWeights = 7,
    kTransferKv = 8,
    kTransferVmem = 9,
};

// One overload of each tap for every model, so that the templates below need no names.
#define LPU_TAPS(number, Model, Observer, Outside)                                                                     \
    inline unsigned sums_word(const Model& m, int32_t* out) { return tap_sums_word(m, out); }                          \
    inline unsigned result_word(const Model& m, int32_t* out) { return tap_result_word(m, out); }                      \
    inline unsigned vreg_word(const Model& m, int32_t* out) { return tap_vreg_word(m, out); }                          \
    inline unsigned act_word(const Model& m, int32_t* out) { return tap_act_word(m, out); }                            \
    inline unsigned kv_code(const Model& m, int32_t* out) { return tap_kv_code(m, out); }                              \
    inline unsigned transfer(const Model& m, uint32_t& row, uint64_t* cells, unsigned& count) {                        \
        return tap_transfer(m, row, cells, count);                                                                     \
    }
LPU_CHIPS(LPU_TAPS)
#undef LPU_TAPS

template <class Model> class Recorder {
public:
    Recorder(VerilatedContext&, Model& model) : model_(model) {}

    void settled() {
        if (recording_) sample();
    }

    void risen() {}

    void record(bool on) {
        recording_ = on;
        events_.clear();
    }

    rust::Vec<RawEvent> take() { return std::exchange(events_, {}); }
    WavesState waves(rust::Str, uint16_t, uint16_t) { return WavesState::NotBuilt; }

private:
    // Notes every write port in use in this cycle.
    void sample() {
        ++cycle_;
        if (model_.trace_token_start) {
            cycle_ = 0;
            position_ = static_cast<uint16_t>(model_.trace_position);
        }
        int32_t lanes[kLanesMax];
        if (model_.trace_sums_store) note(kVmem, model_.trace_sums_row, 0, lanes, sums_word(model_, lanes));
        if (model_.trace_result_store) note(kVmem, model_.trace_result_row, 0, lanes, result_word(model_, lanes));
        if (model_.trace_vreg_write) note(kVreg, model_.trace_vreg_row, 0, lanes, vreg_word(model_, lanes));
        if (model_.trace_maximum_write) {
            lanes[0] = static_cast<int32_t>(model_.trace_maximum_value << 14) >> 14;
            note(kMaximum, model_.trace_maximum_index, 0, lanes, 1);
        }
        if (model_.trace_scalar_write) {
            lanes[0] = static_cast<int32_t>(model_.trace_scalar_value << 14) >> 14;
            lanes[1] = static_cast<int32_t>(model_.trace_scalar_value >> 18);
            note(kReduction, model_.trace_scalar_index, 0, lanes, 2);
        }
        if (model_.trace_act_write) {
            note(kAct, model_.trace_act_entry, model_.trace_act_write, lanes, act_word(model_, lanes));
        }
        if (model_.trace_kv_write) {
            const bool value = model_.trace_kv_value_mode;
            const uint32_t mask = value ? uint32_t(model_.trace_kv_lane) : uint32_t(model_.trace_kv_halves);
            note(value ? kValue : kKey, model_.trace_kv_row, mask, lanes, kv_code(model_, lanes));
        }
        uint64_t cells[kLanesMax];
        uint32_t row = 0;
        unsigned count = 0;
        if (const unsigned to = transfer(model_, row, cells, count)) {
            // A cell is four lanes of nine bits, or two words of vector memory.
            const bool words = to == 3;
            const unsigned each = words ? 2 : 4, bits = words ? 18 : 9;
            for (unsigned lane = 0; lane < count * each; ++lane) {
                const uint32_t raw = static_cast<uint32_t>(cells[lane / each] >> (lane % each * bits));
                lanes[lane] = static_cast<int32_t>(raw << (32 - bits)) >> (32 - bits);
            }
            note(static_cast<Kind>(kTransferWeights + to - 1), row, 0, lanes, count * each);
        }
    }

    void note(Kind kind, uint32_t place, uint32_t mask, const int32_t* lanes, unsigned count) {
        RawEvent event;
        event.kind = kind;
        event.position = position_;
        event.cycle = cycle_;
        event.place = place;
        event.mask = mask;
        event.lanes.reserve(count);
        for (unsigned lane = 0; lane < count; ++lane) event.lanes.push_back(lanes[lane]);
        events_.push_back(std::move(event));
    }

    Model& model_;
    // Since the start of the token; before the first one, since recording began.
    uint32_t cycle_ = 0;
    uint16_t position_ = 0;
    bool recording_ = false;
    rust::Vec<RawEvent> events_;
};

} // namespace lpu
