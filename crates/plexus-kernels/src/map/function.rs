//! The formulas of the functions and of their derivatives, on vectors: one type for each function, so that a body compiled
//! for it has its formula and no other.

use super::math;
use crate::isa::Simd;

/// The constants of SELU, to the digits that PyTorch has.
pub(super) const SELU_SCALE: f64 = 1.0507009873554804934193349852946;
pub(super) const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;
/// `√(2/π)`
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;
/// The constants of the scaled tanh, as in LeCun et al. 1998, appendix A.
pub(super) const TANH_SCALE: f64 = 1.7159;
pub(super) const TANH_SLOPE: f64 = 2.0 / 3.0;

/// A function and its derivative, in every lane.
pub(crate) trait Formula: Copy + Send + Sync {
    /// `f(x)`
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F;
    /// `grad · f'(x)` from `y = f(x)`, where `Function::derivative_from_output` says that it can be.
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F;
    /// `grad · f'(x)` from `x`
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F;

    /// The gradient of the input: `grad` times the derivative, which comes from the output where `FROM_OUTPUT`.
    #[inline(always)]
    fn backward<S: Simd, const FROM_OUTPUT: bool>(self, s: S, saved: S::F, grad: S::F) -> S::F {
        if FROM_OUTPUT { self.backward_from_output(s, saved, grad) } else { self.backward_from_input(s, saved, grad) }
    }
}

/// Evaluates an expression with the [`Formula`] of a function.
macro_rules! with_formula {
    ($function:expr, $name:ident => $body:expr) => {
        $crate::map::function::with_formula!(@arms $function, $name, $body,
            Identity, Relu, Selu, Gelu, GeluTanh, Silu, Sigmoid, HardSigmoid, Tanh, ScaledTanh, Softplus, Softsign, Exp)
    };
    (@arms $function:expr, $name:ident, $body:expr, $($plain:ident),*) => {
        match $function {
            $(Function::$plain => {
                let $name = $crate::map::function::$plain;
                $body
            })*
            Function::LeakyRelu { slope } => {
                let $name = $crate::map::function::LeakyRelu { slope };
                $body
            }
            Function::Elu { alpha } => {
                let $name = $crate::map::function::Elu { alpha };
                $body
            }
        }
    };
}
pub(super) use with_formula;

#[derive(Clone, Copy)]
pub(super) struct Identity;

impl Formula for Identity {
    #[inline(always)]
    fn apply<S: Simd>(self, _: S, x: S::F) -> S::F {
        x
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, _: S, _: S::F, grad: S::F) -> S::F {
        grad
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, _: S, _: S::F, grad: S::F) -> S::F {
        grad
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Formula for Relu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        // The second operand of `max` is returned for NaN and for zeros of both signs.
        s.max(s.splat(0.0), x)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        self.backward_from_input(s, y, grad)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let zero = s.splat(0.0);
        s.select(s.le(x, zero), zero, grad)
    }
}

#[derive(Clone, Copy)]
pub(crate) struct LeakyRelu {
    pub slope: f32,
}

impl Formula for LeakyRelu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.select(s.lt(s.splat(0.0), x), x, s.mul(x, s.splat(self.slope)))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        self.backward_from_input(s, y, grad)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        s.select(s.lt(s.splat(0.0), x), grad, s.mul(grad, s.splat(self.slope)))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Elu {
    pub alpha: f32,
}

impl Formula for Elu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let zero = s.splat(0.0);
        s.select(s.lt(zero, x), x, s.mul(s.splat(self.alpha), math::exp_m1(s, s.min(zero, x))))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        s.select(s.lt(s.splat(0.0), y), grad, s.mul(grad, s.add(y, s.splat(self.alpha))))
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        s.select(s.lt(s.splat(0.0), x), grad, s.mul(grad, s.mul(s.splat(self.alpha), math::exp(s, x))))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Selu;

impl Formula for Selu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let zero = s.splat(0.0);
        let below = s.mul(s.splat((SELU_SCALE * SELU_ALPHA) as f32), math::exp_m1(s, s.min(zero, x)));
        s.select(s.lt(zero, x), s.mul(s.splat(SELU_SCALE as f32), x), below)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        let below = s.mul(grad, s.add(y, s.splat((SELU_SCALE * SELU_ALPHA) as f32)));
        s.select(s.lt(s.splat(0.0), y), s.mul(grad, s.splat(SELU_SCALE as f32)), below)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let below = s.mul(grad, s.mul(s.splat((SELU_SCALE * SELU_ALPHA) as f32), math::exp(s, x)));
        s.select(s.lt(s.splat(0.0), x), s.mul(grad, s.splat(SELU_SCALE as f32)), below)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Gelu;

impl Formula for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let half = s.mul(s.splat(0.5), x);
        s.mul(half, s.add(s.splat(1.0), math::erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)))))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, _: S::F, _: S::F) -> S::F {
        needs_input(s)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let normal = math::erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
        let below = s.mul(s.splat(0.5), s.add(s.splat(1.0), normal));
        // 1/√(2π)
        let density = s.mul(s.splat(0.398_942_3), math::exp(s, s.mul(s.splat(-0.5), s.mul(x, x))));
        s.mul(grad, s.mul_add(x, density, below))
    }
}

#[derive(Clone, Copy)]
pub(super) struct GeluTanh;

impl GeluTanh {
    /// The argument of the tanh.
    #[inline(always)]
    fn inner<S: Simd>(s: S, x: S::F) -> S::F {
        let cube = s.mul(s.mul(x, x), s.splat(GELU_CUBE * SQRT_2_OVER_PI));
        s.mul(x, s.add(cube, s.splat(SQRT_2_OVER_PI)))
    }
}

impl Formula for GeluTanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.mul(s.mul(s.splat(0.5), x), s.add(s.splat(1.0), math::tanh(s, Self::inner(s, x))))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, _: S::F, _: S::F) -> S::F {
        needs_input(s)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let (one, half) = (s.splat(1.0), s.splat(0.5));
        let t = math::tanh(s, Self::inner(s, x));
        let inner = s.mul_add(s.splat(3.0 * GELU_CUBE * SQRT_2_OVER_PI), s.mul(x, x), s.splat(SQRT_2_OVER_PI));
        let slope = s.mul(s.mul(s.mul(half, x), s.sub(one, s.mul(t, t))), inner);
        s.mul(grad, s.mul_add(half, s.add(one, t), slope))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Silu;

impl Formula for Silu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.div(x, s.add(s.splat(1.0), math::exp(s, s.sub(s.splat(0.0), x))))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, _: S::F, _: S::F) -> S::F {
        needs_input(s)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let (y, one) = (math::sigmoid(s, x), s.splat(1.0));
        s.mul(grad, s.mul(y, s.mul_add(x, s.sub(one, y), one)))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

impl Formula for Sigmoid {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        math::sigmoid(s, x)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        s.mul(grad, s.mul(y, s.sub(s.splat(1.0), y)))
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        self.backward_from_output(s, self.apply(s, x), grad)
    }
}

#[derive(Clone, Copy)]
pub(super) struct HardSigmoid;

impl Formula for HardSigmoid {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let six = s.splat(6.0);
        // The second operand of `max` and `min` is returned for NaN.
        s.div(s.min(six, s.max(s.splat(0.0), s.add(x, s.splat(3.0)))), six)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        let (zero, sloped) = (s.splat(0.0), s.div(grad, s.splat(6.0)));
        s.select(s.lt(zero, y), s.select(s.lt(y, s.splat(1.0)), sloped, zero), zero)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let (zero, sloped) = (s.splat(0.0), s.div(grad, s.splat(6.0)));
        let inside = s.select(s.lt(x, s.splat(3.0)), sloped, zero);
        s.select(s.lt(s.splat(-3.0), x), inside, zero)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl Formula for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        math::tanh(s, x)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        s.mul(grad, s.sub(s.splat(1.0), s.mul(y, y)))
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        self.backward_from_output(s, self.apply(s, x), grad)
    }
}

#[derive(Clone, Copy)]
pub(super) struct ScaledTanh;

impl Formula for ScaledTanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.mul(s.splat(TANH_SCALE as f32), math::tanh(s, s.mul(x, s.splat(TANH_SLOPE as f32))))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        // slope · scale · (1 − (y / scale)²), as a product: it is zero where the tanh is one.
        let scale = s.splat(TANH_SCALE as f32);
        let product = s.mul(s.sub(scale, y), s.add(scale, y));
        s.mul(grad, s.mul(product, s.splat((TANH_SLOPE / TANH_SCALE) as f32)))
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        self.backward_from_output(s, self.apply(s, x), grad)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Softplus;

impl Formula for Softplus {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let zero = s.splat(0.0);
        let e = math::exp(s, s.sub(zero, s.abs(x)));
        let value = s.add(s.max(zero, x), math::log1p_unit(s, e));
        s.select(s.lt(s.splat(20.0), x), x, value)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        // sigmoid(x) = 1 − e^−softplus(x)
        let zero = s.splat(0.0);
        s.mul(grad, s.sub(zero, math::exp_m1(s, s.sub(zero, y))))
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        s.mul(grad, s.select(s.lt(s.splat(20.0), x), s.splat(1.0), math::sigmoid(s, x)))
    }
}

#[derive(Clone, Copy)]
pub(super) struct Softsign;

impl Formula for Softsign {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.div(x, s.add(s.splat(1.0), s.abs(x)))
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        let root = s.sub(s.splat(1.0), s.abs(y));
        s.mul(grad, s.mul(root, root))
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        self.backward_from_output(s, self.apply(s, x), grad)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Exp;

impl Formula for Exp {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        math::exp(s, x)
    }
    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        s.mul(grad, y)
    }
    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        s.mul(grad, self.apply(s, x))
    }
}

/// In place of a derivative that cannot be computed from the output: `Saved::check` refuses before any body runs.
#[inline(always)]
fn needs_input<S: Simd>(s: S) -> S::F {
    s.splat(f32::NAN)
}
