// A last fully connected layer that learns on the device. `weight` is [classes][features + 1], the bias last.

//: readout
/* A layer of scores that can be changed by examples. */
typedef struct {
    int16_t *weight;
    size_t classes;
    size_t features;    /* at most 16384 */
    int32_t zero_point; /* what stands for zero among the features */
    int64_t margin;     /* how far the right score should be ahead; at most 2^44 */
} plexus_readout;

//: readout_score_s8
/* score = sum over i of weight[i] * (features[i] - zero_point) + weight[last] * 128 */
static int64_t plexus_readout_score_s8(const plexus_readout *readout, const int8_t *features, size_t class_)
{
    const int16_t *row = &readout->weight[class_ * (readout->features + 1)];
    int64_t sum = (int64_t)128 * row[readout->features];
    for (size_t i = 0; i < readout->features; i++) {
        sum += (int64_t)row[i] * (features[i] - readout->zero_point);
    }
    return sum;
}

//: readout_classify_s8
/* The class with the largest score, the first of several. */
static size_t plexus_readout_classify_s8(const plexus_readout *readout, const int8_t *features)
{
    size_t best = 0;
    int64_t largest = INT64_MIN;
    for (size_t i = 0; i < readout->classes; i++) {
        const int64_t score = plexus_readout_score_s8(readout, features, i);
        if (score > largest) {
            largest = score;
            best = i;
        }
    }
    return best;
}

//: readout_learn_s8
/*
 * lack = margin - (score[class] - largest other score)        nothing is done where it is not above 0
 * step[i] = lack * x[i] / (2 * sum over k of x[k]^2)          to the nearest, halves away from zero
 * weight[class][i] += step[i], weight[other][i] -= step[i]    saturating; returns whether anything was changed
 */
static int plexus_readout_learn_s8(const plexus_readout *readout, const int8_t *features, size_t class_)
{
    const int64_t one = 128;
    int64_t own = 0, largest = INT64_MIN, twice = 2 * one * one, lack;
    size_t other = 0;
    if (readout->classes < 2) {
        return 0;
    }
    for (size_t i = 0; i < readout->classes; i++) {
        const int64_t score = plexus_readout_score_s8(readout, features, i);
        if (i == class_) {
            own = score;
        } else if (score > largest) {
            largest = score;
            other = i;
        }
    }
    lack = readout->margin - (own - largest);
    if (lack <= 0) {
        return 0;
    }
    for (size_t i = 0; i < readout->features; i++) {
        const int64_t x = features[i] - readout->zero_point;
        twice += 2 * x * x;
    }
    for (size_t i = 0; i <= readout->features; i++) {
        const int64_t x = i < readout->features ? (int64_t)(features[i] - readout->zero_point) : one;
        const int64_t product = lack * x, half = twice / 2;
        const int64_t step = (product < 0 ? product - half : product + half) / twice;
        int16_t *const up = &readout->weight[class_ * (readout->features + 1) + i];
        int16_t *const down = &readout->weight[other * (readout->features + 1) + i];
        const int64_t more = *up + step, less = *down - step;
        *up = (int16_t)(more < INT16_MIN ? INT16_MIN : more > INT16_MAX ? INT16_MAX : more);
        *down = (int16_t)(less < INT16_MIN ? INT16_MIN : less > INT16_MAX ? INT16_MAX : less);
    }
    return 1;
}

//: readout_score_s16
/* score = sum over i of weight[i] * (features[i] - zero_point) + weight[last] * 32768 */
static int64_t plexus_readout_score_s16(const plexus_readout *readout, const int16_t *features, size_t class_)
{
    const int16_t *row = &readout->weight[class_ * (readout->features + 1)];
    int64_t sum = (int64_t)32768 * row[readout->features];
    for (size_t i = 0; i < readout->features; i++) {
        sum += (int64_t)row[i] * (features[i] - readout->zero_point);
    }
    return sum;
}

//: readout_classify_s16
/* The class with the largest score, the first of several. */
static size_t plexus_readout_classify_s16(const plexus_readout *readout, const int16_t *features)
{
    size_t best = 0;
    int64_t largest = INT64_MIN;
    for (size_t i = 0; i < readout->classes; i++) {
        const int64_t score = plexus_readout_score_s16(readout, features, i);
        if (score > largest) {
            largest = score;
            best = i;
        }
    }
    return best;
}

//: readout_learn_s16
/*
 * lack = margin - (score[class] - largest other score)        nothing is done where it is not above 0
 * step[i] = lack * x[i] / (2 * sum over k of x[k]^2)          to the nearest, halves away from zero
 * weight[class][i] += step[i], weight[other][i] -= step[i]    saturating; returns whether anything was changed
 */
static int plexus_readout_learn_s16(const plexus_readout *readout, const int16_t *features, size_t class_)
{
    const int64_t one = 32768;
    int64_t own = 0, largest = INT64_MIN, twice = 2 * one * one, lack;
    size_t other = 0;
    if (readout->classes < 2) {
        return 0;
    }
    for (size_t i = 0; i < readout->classes; i++) {
        const int64_t score = plexus_readout_score_s16(readout, features, i);
        if (i == class_) {
            own = score;
        } else if (score > largest) {
            largest = score;
            other = i;
        }
    }
    lack = readout->margin - (own - largest);
    if (lack <= 0) {
        return 0;
    }
    for (size_t i = 0; i < readout->features; i++) {
        const int64_t x = features[i] - readout->zero_point;
        twice += 2 * x * x;
    }
    for (size_t i = 0; i <= readout->features; i++) {
        const int64_t x = i < readout->features ? (int64_t)(features[i] - readout->zero_point) : one;
        const int64_t product = lack * x, half = twice / 2;
        const int64_t step = (product < 0 ? product - half : product + half) / twice;
        int16_t *const up = &readout->weight[class_ * (readout->features + 1) + i];
        int16_t *const down = &readout->weight[other * (readout->features + 1) + i];
        const int64_t more = *up + step, less = *down - step;
        *up = (int16_t)(more < INT16_MIN ? INT16_MIN : more > INT16_MAX ? INT16_MAX : more);
        *down = (int16_t)(less < INT16_MIN ? INT16_MIN : less > INT16_MAX ? INT16_MAX : less);
    }
    return 1;
}
