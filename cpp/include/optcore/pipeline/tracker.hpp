#pragma once

#include <cstdint>

#include "optcore/pipeline/forecaster.hpp"
#include "optcore/pipeline/types.hpp"

namespace optcore::inline OPTCORE_ISA::pipeline {

/// Everybody in sight: where they are, how fast, and what is believed of them. Fixed capacity.
template <class T>
class Tracker {
 public:
  struct Person {
    std::int64_t id;
    T position[2], velocity[2];  ///< m and m/s at `seen_at`
    double seen_at;              ///< s of the newest position
    T row[2];                    ///< m, position at the last belief update (or first sight)
    double row_time;             ///< s
    double last_cycle;           ///< s, the cycle that saw the person last
    int rows;                    ///< belief updates so far, counting first sight as one
    bool moved;                  ///< two different positions were seen: the velocity is known
    typename Forecaster<T>::PersonBelief belief;
  };

  void attach(Arena& arena, const LoopConfig& config) noexcept {
    capacity_ = config.max_people;
    belief_period_ = config.belief_period;
    people_ = arena.array<Person>(static_cast<std::size_t>(capacity_));
  }

  void reset() noexcept { size_ = 0; }
  [[nodiscard]] int size() const noexcept { return size_; }
  [[nodiscard]] const Person& operator[](int i) const noexcept { return people_[i]; }

  /// Takes over one cycle's observation; people who are not in it are forgotten.
  /// Positions that are not finite are passed over. @return people for whom no place was left
  int observe(const Observation& seen, Forecaster<T>& forecaster) noexcept {
    int without_place = 0;
    for (int i = 0; i < seen.id.size; ++i) {
      const T x = static_cast<T>(seen.position(i, 0)), y = static_cast<T>(seen.position(i, 1));
      const double at = seen.seen_at[i];
      if (!is_finite(x) || !is_finite(y) || !is_finite(at)) continue;
      Person* person = find(seen.id[i], i);
      if (person == nullptr) {
        if (size_ == capacity_) {
          ++without_place;
          continue;
        }
        person = &people_[size_++];
        person->id = seen.id[i];
        person->position[0] = person->row[0] = x;
        person->position[1] = person->row[1] = y;
        person->velocity[0] = person->velocity[1] = 0;
        person->seen_at = person->row_time = at;
        person->rows = 1;
        person->moved = false;
        person->belief = forecaster.fresh_belief();
      } else {
        move(*person, x, y, at, forecaster);
      }
      person->last_cycle = seen.time;
    }
    for (int i = 0; i < size_;) {
      if (people_[i].last_cycle != seen.time) {
        people_[i] = people_[--size_];
      } else {
        ++i;
      }
    }
    return without_place;
  }

 private:
  /// Mostly the person stands at the same place of both lists: look there first.
  Person* find(std::int64_t id, int hint) noexcept {
    if (hint < size_ && people_[hint].id == id) return &people_[hint];
    for (int i = 0; i < size_; ++i) {
      if (people_[i].id == id) return &people_[i];
    }
    return nullptr;
  }

  void move(Person& person, T x, T y, double at, Forecaster<T>& forecaster) noexcept {
    const double elapsed = at - person.seen_at;
    if (elapsed > 1e-9) {
      person.velocity[0] = (x - person.position[0]) / static_cast<T>(elapsed);
      person.velocity[1] = (y - person.position[1]) / static_cast<T>(elapsed);
      person.position[0] = x;
      person.position[1] = y;
      person.seen_at = at;
      person.moved = true;
    }
    const double since = at - person.row_time;
    if (since < belief_period_ - 1e-6) return;
    const T z[4] = {x, y, (x - person.row[0]) / static_cast<T>(since),
                    (y - person.row[1]) / static_cast<T>(since)};
    // A failed update leaves the belief as it was, which is the answer we want here.
    static_cast<void>(failed(forecaster.update(person.belief, z)));
    person.row[0] = x;
    person.row[1] = y;
    person.row_time = at;
    ++person.rows;
  }

  int capacity_ = 0;
  int size_ = 0;
  double belief_period_ = 0.4;
  Person* people_ = nullptr;
};

}  // namespace optcore::inline OPTCORE_ISA::pipeline
