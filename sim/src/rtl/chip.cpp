// A Verilated chip behind its byte port.
#include "chip.h"
#include "lpu-sim/src/rtl/bridge.rs.h"
#include "lpu_chips.h"
#include "verilated.h"
#include <utility>
#include <vector>

namespace lpu {
namespace {

constexpr unsigned kLanesMax = 128;

// One overload of each tap for every model, so that the template below needs no names.
#define TAPS(number, Model)                                                                                            \
    unsigned sums_word(const Model& m, int32_t* out) { return tap_sums_word(m, out); }                                 \
    unsigned result_word(const Model& m, int32_t* out) { return tap_result_word(m, out); }                             \
    unsigned vreg_word(const Model& m, int32_t* out) { return tap_vreg_word(m, out); }                                 \
    unsigned act_word(const Model& m, int32_t* out) { return tap_act_word(m, out); }                                   \
    unsigned kv_code(const Model& m, int32_t* out) { return tap_kv_code(m, out); }
LPU_CHIPS(TAPS)
#undef TAPS

template <class Model> class Verilated_ final : public Chip {
public:
    Verilated_() : model_(&context_) {
        model_.clock = 0;
        model_.host_in_valid = 0;
        model_.host_out_ready = 0;
        model_.eval();
    }

    ~Verilated_() override { model_.final(); }

    bool send(rust::Slice<const uint8_t> bytes, uint64_t patience) override {
        for (uint8_t byte : bytes) {
            model_.host_in_data = byte;
            model_.host_in_valid = 1;
            uint64_t waited = 0;
            for (bool taken = false; !taken;) {
                model_.eval();
                taken = model_.host_in_ready;
                tick();
                if (!taken && ++waited > patience) {
                    model_.host_in_valid = 0;
                    return false;
                }
            }
        }
        model_.host_in_valid = 0;
        return true;
    }

    bool receive(rust::Slice<uint8_t> bytes, uint64_t patience) override {
        model_.host_out_ready = 1;
        for (uint8_t& byte : bytes) {
            uint64_t waited = 0;
            for (bool given = false; !given;) {
                model_.eval();
                given = model_.host_out_valid;
                if (given) byte = model_.host_out_data;
                tick();
                if (!given && ++waited > patience) {
                    model_.host_out_ready = 0;
                    return false;
                }
            }
        }
        model_.host_out_ready = 0;
        return true;
    }

    uint64_t cycles() const override { return cycles_; }

    void record(bool on) override {
        recording_ = on;
        events_.clear();
    }

    rust::Vec<RawEvent> take() override { return std::exchange(events_, {}); }

private:
    // Inputs have settled; ends the cycle with a rising edge.
    void tick() {
        if (recording_) sample();
        model_.clock = 1;
        model_.eval();
        model_.clock = 0;
        ++cycles_;
    }

    // Notes every write port in use in this cycle.
    void sample() {
        if (model_.trace_token_start) {
            token_start_ = cycles_;
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
    }

    void note(Kind kind, uint32_t place, uint32_t mask, const int32_t* lanes, unsigned count) {
        RawEvent event;
        event.kind = kind;
        event.position = position_;
        event.cycle = static_cast<uint32_t>(cycles_ - token_start_);
        event.place = place;
        event.mask = mask;
        event.lanes.reserve(count);
        for (unsigned lane = 0; lane < count; ++lane) event.lanes.push_back(lanes[lane]);
        events_.push_back(std::move(event));
    }

    VerilatedContext context_;
    Model model_;
    uint64_t cycles_ = 0;
    uint64_t token_start_ = 0;
    uint16_t position_ = 0;
    bool recording_ = false;
    rust::Vec<RawEvent> events_;
};

} // namespace

std::unique_ptr<Chip> new_chip(size_t number) {
#define MAKE(index, Model)                                                                                             \
    if (number == index) return std::make_unique<Verilated_<Model>>();
    LPU_CHIPS(MAKE)
#undef MAKE
    return nullptr;
}

} // namespace lpu
