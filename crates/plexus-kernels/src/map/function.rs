//! The formulas of the functions and of their derivatives, on vectors.

use super::{Function, math};
use crate::isa::Simd;

/// The constants of SELU, to the digits that PyTorch has.
pub(super) const SELU_SCALE: f64 = 1.0507009873554804934193349852946;
pub(super) const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;
/// `√(2/π)`
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

/// Evaluates an expression with the function as a constant, so that loops in the expression do not choose inside.
macro_rules! with_function {
    ($function:expr, $name:ident => $body:expr) => {
        $crate::map::function::with_function!(@arms $function, $name, $body,
            Identity, Relu, Selu, Gelu, GeluTanh, Silu, Sigmoid, HardSigmoid, Tanh, Softplus, Softsign, Exp)
    };
    (@arms $function:expr, $name:ident, $body:expr, $($plain:ident),*) => {
        match $function {
            $(Function::$plain => {
                let $name = Function::$plain;
                $body
            })*
            Function::LeakyRelu { slope } => {
                let $name = Function::LeakyRelu { slope };
                $body
            }
            Function::Elu { alpha } => {
                let $name = Function::Elu { alpha };
                $body
            }
        }
    };
}
pub(super) use with_function;

impl Function {
    /// `f(x)` in every lane.
    ///
    /// Inline it where the function is chosen outside the loop, or where one choice for each vector does not matter.
    #[inline(always)]
    pub fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        match self {
            Function::Identity => x,
            // The second operand of `max` and `min` is returned for NaN and for zeros of both signs.
            Function::Relu => s.max(zero, x),
            Function::LeakyRelu { slope } => s.select(s.lt(zero, x), x, s.mul(x, s.splat(slope))),
            Function::Elu { alpha } => {
                s.select(s.lt(zero, x), x, s.mul(s.splat(alpha), math::exp_m1(s, s.min(zero, x))))
            }
            Function::Selu => {
                let below = s.mul(s.splat((SELU_SCALE * SELU_ALPHA) as f32), math::exp_m1(s, s.min(zero, x)));
                s.select(s.lt(zero, x), s.mul(s.splat(SELU_SCALE as f32), x), below)
            }
            Function::Gelu => {
                let half = s.mul(s.splat(0.5), x);
                s.mul(half, s.add(one, math::erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)))))
            }
            Function::GeluTanh => s.mul(s.mul(s.splat(0.5), x), s.add(one, math::tanh(s, gelu_inner(s, x)))),
            Function::Silu => s.div(x, s.add(one, math::exp(s, s.sub(zero, x)))),
            Function::Sigmoid => math::sigmoid(s, x),
            Function::HardSigmoid => {
                let six = s.splat(6.0);
                s.div(s.min(six, s.max(zero, s.add(x, s.splat(3.0)))), six)
            }
            Function::Tanh => math::tanh(s, x),
            Function::Softplus => {
                let e = math::exp(s, s.sub(zero, s.abs(x)));
                let value = s.add(s.max(zero, x), math::log1p_unit(s, e));
                s.select(s.lt(s.splat(20.0), x), x, value)
            }
            Function::Softsign => s.div(x, s.add(one, s.abs(x))),
            Function::Exp => math::exp(s, x),
        }
    }

    /// The gradient of the input: `grad` times the derivative, which comes from the output where `FROM_OUTPUT`.
    #[inline(always)]
    pub(super) fn backward<S: Simd, const FROM_OUTPUT: bool>(self, s: S, saved: S::F, grad: S::F) -> S::F {
        if FROM_OUTPUT { self.backward_from_output(s, saved, grad) } else { self.backward_from_input(s, saved, grad) }
    }

    #[inline(always)]
    fn backward_from_output<S: Simd>(self, s: S, y: S::F, grad: S::F) -> S::F {
        let (zero, one) = (s.splat(0.0), s.splat(1.0));
        match self {
            Function::Identity => grad,
            Function::Relu => s.select(s.le(y, zero), zero, grad),
            Function::LeakyRelu { slope } => s.select(s.lt(zero, y), grad, s.mul(grad, s.splat(slope))),
            Function::Elu { alpha } => s.select(s.lt(zero, y), grad, s.mul(grad, s.add(y, s.splat(alpha)))),
            Function::Selu => {
                let below = s.mul(grad, s.add(y, s.splat((SELU_SCALE * SELU_ALPHA) as f32)));
                s.select(s.lt(zero, y), s.mul(grad, s.splat(SELU_SCALE as f32)), below)
            }
            Function::Sigmoid => s.mul(grad, s.mul(y, s.sub(one, y))),
            Function::HardSigmoid => {
                let sloped = s.div(grad, s.splat(6.0));
                s.select(s.lt(zero, y), s.select(s.lt(y, one), sloped, zero), zero)
            }
            Function::Tanh => s.mul(grad, s.sub(one, s.mul(y, y))),
            // sigmoid(x) = 1 − e^−softplus(x)
            Function::Softplus => s.mul(grad, s.sub(zero, math::exp_m1(s, s.sub(zero, y)))),
            Function::Softsign => {
                let root = s.sub(one, s.abs(y));
                s.mul(grad, s.mul(root, root))
            }
            Function::Exp => s.mul(grad, y),
            // `Saved::check` refuses these before any body runs.
            Function::Gelu | Function::GeluTanh | Function::Silu => s.splat(f32::NAN),
        }
    }

    #[inline(always)]
    fn backward_from_input<S: Simd>(self, s: S, x: S::F, grad: S::F) -> S::F {
        let (zero, one, half) = (s.splat(0.0), s.splat(1.0), s.splat(0.5));
        match self {
            Function::Identity => grad,
            Function::Relu => s.select(s.le(x, zero), zero, grad),
            Function::LeakyRelu { slope } => s.select(s.lt(zero, x), grad, s.mul(grad, s.splat(slope))),
            Function::Elu { alpha } => {
                s.select(s.lt(zero, x), grad, s.mul(grad, s.mul(s.splat(alpha), math::exp(s, x))))
            }
            Function::Selu => {
                let below = s.mul(grad, s.mul(s.splat((SELU_SCALE * SELU_ALPHA) as f32), math::exp(s, x)));
                s.select(s.lt(zero, x), s.mul(grad, s.splat(SELU_SCALE as f32)), below)
            }
            Function::Gelu => {
                let normal = math::erf(s, s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2)));
                let below = s.mul(half, s.add(one, normal));
                // 1/√(2π)
                let density = s.mul(s.splat(0.398_942_3), math::exp(s, s.mul(s.splat(-0.5), s.mul(x, x))));
                s.mul(grad, s.mul_add(x, density, below))
            }
            Function::GeluTanh => {
                let t = math::tanh(s, gelu_inner(s, x));
                let inner = s.mul_add(s.splat(3.0 * GELU_CUBE * SQRT_2_OVER_PI), s.mul(x, x), s.splat(SQRT_2_OVER_PI));
                let slope = s.mul(s.mul(s.mul(half, x), s.sub(one, s.mul(t, t))), inner);
                s.mul(grad, s.mul_add(half, s.add(one, t), slope))
            }
            Function::Silu => {
                let y = math::sigmoid(s, x);
                s.mul(grad, s.mul(y, s.mul_add(x, s.sub(one, y), one)))
            }
            Function::Sigmoid | Function::Tanh | Function::Softsign | Function::Exp => {
                self.backward_from_output(s, self.apply(s, x), grad)
            }
            Function::HardSigmoid => {
                let sloped = s.div(grad, s.splat(6.0));
                let inside = s.select(s.lt(x, s.splat(3.0)), sloped, zero);
                s.select(s.lt(s.splat(-3.0), x), inside, zero)
            }
            Function::Softplus => s.mul(grad, s.select(s.lt(s.splat(20.0), x), one, math::sigmoid(s, x))),
        }
    }
}

/// The argument of the tanh of [`Function::GeluTanh`].
#[inline(always)]
fn gelu_inner<S: Simd>(s: S, x: S::F) -> S::F {
    let cube = s.mul(s.mul(x, x), s.splat(GELU_CUBE * SQRT_2_OVER_PI));
    s.mul(x, s.add(cube, s.splat(SQRT_2_OVER_PI)))
}
