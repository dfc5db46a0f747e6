// A group of sequences through an LSTM, of which the cells may be others.
#pragma once

#include "src/recurrent/groups.h"

namespace normkit::recurrent {

class LstmForwardGroup : public ForwardGroup {
 public:
  // `lists` and `numbers`, floats an observation, of other cells.
  LstmForwardGroup(const RecurrentForward& run, const float* scratch, std::span<const Course> group,
                   int64_t lists = 0, int64_t numbers = 0);

 protected:
  // From gates, c_before_ and what h_ adds to gates, to c_ and out_.
  virtual void Cells(int64_t t, int64_t alive, float** gates);

  RowProduct recurrent_;
  float **h_, **c_before_, **c_, **state_c_, **out_;

 private:
  void Step(int64_t t, int64_t alive, float** gates) final;

  RowProduct projection_;
};

class LstmBackwardGroup : public BackwardGroup {
 public:
  LstmBackwardGroup(const RecurrentBackward& run, const float* scratch,
                    std::span<const Course> group, int64_t lists = 0, int64_t numbers = 0);

 protected:
  // From dout1_, dout2_ and dc_ to dgates_ and the dc_ of the step before; gives the gradients of
  // what R multiplied h_before to.
  virtual float** CellGradients(int64_t t, int64_t alive);

  float **gates_, **c_before_, **state_c_, **dout1_, **dout2_, **dc_, **dgates_;

 private:
  void Step(int64_t t, int64_t alive) final;
  void BackThroughProjection(int64_t t, int64_t alive);

  const RowProduct recurrent_, projection_;
  float **dh_, **dout_;
};

}  // namespace normkit::recurrent
