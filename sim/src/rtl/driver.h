// Moves bytes through the port of a Verilated model, one clock cycle after the other.
#pragma once
#include "chip.h"
#include "lpu-sim/src/rtl/bridge.rs.h"
#include "verilated.h"

namespace lpu {

// The observer looks at the model in every cycle, when its inputs have settled and when an edge has risen. What is outside of the
// chip answers its pins in between.
template <class Model, template <class> class Observer, template <class> class Outside>
class Driver final : public Chip {
public:
    explicit Driver(size_t number) : model_(&context_), observer_(context_, model_), outside_(number, model_) {
        model_.clock = 0;
        model_.host_in_valid = 0;
        model_.host_out_ready = 0;
        model_.eval();
    }

    ~Driver() override { model_.final(); }

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
    rust::String violation() const override { return outside_.violation(); }
    void record(bool on) override { observer_.record(on); }
    rust::Vec<RawEvent> take() override { return observer_.take(); }

    WavesState waves(rust::Str path, uint16_t first, uint16_t last) override {
        return observer_.waves(path, first, last);
    }

private:
    // Inputs have settled; ends the cycle with a rising edge.
    void tick() {
        outside_.settled();
        observer_.settled();
        model_.clock = 1;
        model_.eval();
        observer_.risen();
        model_.clock = 0;
        ++cycles_;
    }

    VerilatedContext context_;
    Model model_;
    Observer<Model> observer_;
    Outside<Model> outside_;
    uint64_t cycles_ = 0;
};

} // namespace lpu
