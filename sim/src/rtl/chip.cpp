// The chips that this library was built with.
#include "chip.h"
#include "driver.h"
#include "lpu_chips.h"
#include "recorder.h"
#ifdef LPU_WAVES
#include "waves.h"
#endif

namespace lpu {

#define LPU_MAKE(index, Model, Observer)                                                                               \
    if (number == index) return std::make_unique<Driver<Model, Observer>>();

std::unique_ptr<Chip> new_chip(size_t number) {
    LPU_CHIPS(LPU_MAKE)
    return nullptr;
}

} // namespace lpu
