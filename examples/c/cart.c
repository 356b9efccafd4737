/* Drives the cart against its friction; everything from the generated step. */
#include <math.h>
#include <stdio.h>

#include "optcore_step.h"

int main(void) {
  const float h = 0.1f;
  optcore_input in = {0};
  optcore_output out;
  int t, status = optcore_init();
  if (status != 0) return 1;
  in.x[0] = 2;
  for (t = 0; t < 80; ++t) {
    float total;
    in.query[0] = in.x[1];
    in.log_likelihood[0] = -0.1f; /* what is seen speaks for the first */
    in.log_likelihood[1] = -1.0f;
    status = optcore_step(&in, &out);
    if (status != 0) {
      printf("step %d: status %d\n", t, status);
      return 2;
    }
    total = out.u[0] - 0.3f * tanhf(4 * in.x[1]);
    in.x[0] += h * in.x[1] + h * h / 2 * total;
    in.x[1] += h * total;
  }
  printf("at %.3f m, %.3f m/s; belief %.3f; %u bytes of static memory\n", in.x[0], in.x[1],
         out.belief[0], (unsigned)optcore_workspace());
  return fabsf(in.x[0]) < 0.05f && fabsf(in.x[1]) < 0.05f && out.belief[0] > 0.8f ? 0 : 3;
}
