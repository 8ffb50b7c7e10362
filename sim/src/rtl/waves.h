// Writes the waves of some tokens to an FST file. The file's time counts the cycles of these tokens and nothing between
// them: 10 ns a cycle, which begins with a rising edge.
#pragma once
#include "recorder.h"
#include "verilated_fst_c.h"
#include <string>

namespace lpu {

template <class Model> class Waves {
public:
    Waves(VerilatedContext& context, Model& model) : model_(model), recorder_(context, model) {
        context.traceEverOn(true);
    }

    ~Waves() { file_.close(); }

    void settled() {
        if (inside_) {
            file_.dump(time_ns_ + kCycleNs / 2);
            time_ns_ += kCycleNs;
            // A token's last cycle is the first in which the chip is not busy, or the one before the next token's start.
            // Both are seen where the sides see the start, behind the dispatch.
            busy_ = static_cast<uint8_t>(busy_ << 1 | model_.busy);
            over_ = !(busy_ >> kDispatchCycles & 1);
        }
        recorder_.settled();
    }

    void risen() {
        if (!file_.isOpen()) return;
        if (model_.trace_token_start) {
            inside_ = model_.trace_position >= first_ && model_.trace_position <= last_;
            busy_ = 0xff;
        } else if (over_) {
            inside_ = false;
        }
        over_ = false;
        if (inside_) file_.dump(time_ns_);
    }

    void record(bool on) { recorder_.record(on); }
    rust::Vec<RawEvent> take() { return recorder_.take(); }

    WavesState waves(rust::Str path, uint16_t first, uint16_t last) {
        file_.close();
        first_ = first;
        last_ = last;
        time_ns_ = 0;
        inside_ = false;
        if (!traced_) model_.trace(&file_, kLevelsAll);
        traced_ = true;
        file_.set_time_unit("1ns");
        file_.set_time_resolution("1ns");
        file_.open(std::string(path).c_str());
        return file_.isOpen() ? WavesState::Open : WavesState::Unwritable;
    }

private:
    static constexpr uint64_t kCycleNs = 10;
    static constexpr int kLevelsAll = 99;

    Model& model_;
    Recorder<Model> recorder_;
    VerilatedFstC file_;
    uint64_t time_ns_ = 0;
    uint16_t first_ = 0;
    uint16_t last_ = 0;
    bool traced_ = false;
    uint8_t busy_ = 0;
    bool inside_ = false;
    bool over_ = false;
};

} // namespace lpu
