// How windows slide over maps of [height][width][channels].

//: window
/* A window that slides over a map. */
typedef struct {
    size_t input[3];    /* height, width, channels of the map */
    size_t kernel[2];   /* rows, columns */
    size_t stride[2];   /* rows and columns from one window to the next */
    size_t padding[4];  /* rows above, columns to the left, rows below, columns to the right */
    size_t dilation[2]; /* rows and columns from one number of a window to the next; 1 is dense */
} plexus_window;

//: window_output
/* Rows (axis 0) or columns (axis 1) of the output: (size + padding - dilation * (kernel - 1) - 1) / stride + 1 */
static size_t plexus_window_output(const plexus_window *window, int axis)
{
    const size_t padded = window->input[axis] + window->padding[axis] + window->padding[axis + 2];
    return (padded - window->dilation[axis] * (window->kernel[axis] - 1) - 1) / window->stride[axis] + 1;
}

//: line
/* Taps of a window along one axis and where they are on a map; from one to the next there are steps, modulo the size of size_t. */
typedef struct {
    size_t count;
    size_t tap;
    size_t tap_step;
    size_t place;
    size_t place_step;
} plexus_line;

//: taps_inside
/* Those of the taps of the window at an output that are inside of the map. */
static plexus_line plexus_taps_inside(const plexus_window *window, int axis, size_t output)
{
    const size_t start = output * window->stride[axis], step = window->dilation[axis];
    const size_t before = window->padding[axis], behind = window->input[axis] + before;
    const size_t first = start < before ? (before - start + step - 1) / step : 0;
    const size_t inside = start < behind ? (behind - start + step - 1) / step : 0;
    const size_t end = inside < window->kernel[axis] ? inside : window->kernel[axis];
    const plexus_line line = {first < end ? end - first : 0, first, 1, start + first * step - before, step};
    return line;
}

//: taps_meeting
/* The taps of all windows that meet at a place of the map: place + padding = index of the window * stride + tap * dilation */
static plexus_line plexus_taps_meeting(const plexus_window *window, int axis, size_t place)
{
    const size_t stride = window->stride[axis], windows = plexus_window_output(window, axis);
    plexus_line line = {0, 0, 0, 0, 0};
    size_t left = place + window->padding[axis];
    for (size_t tap = 0; tap < window->kernel[axis]; tap++) {
        if (left % stride == 0 && left / stride < windows) {
            if (line.count == 0) {
                line.tap = tap;
                line.place = left / stride;
            } else if (line.count == 1) {
                line.tap_step = tap - line.tap;
                line.place_step = left / stride - line.place;
            }
            line.count++;
        }
        if (left < window->dilation[axis]) {
            break;
        }
        left -= window->dilation[axis];
    }
    return line;
}
