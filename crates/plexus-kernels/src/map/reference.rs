//! The definition of the functions, in 64-bit arithmetic.

use super::Function;

/// `f(x)`
pub fn apply(function: Function, x: f64) -> f64 {
    match function {
        Function::Identity => x,
        Function::Relu => {
            if x < 0.0 {
                0.0
            } else {
                x
            }
        }
        Function::LeakyRelu { slope } => {
            if x > 0.0 {
                x
            } else {
                x * f64::from(slope)
            }
        }
        Function::Elu { alpha } => {
            if x > 0.0 {
                x
            } else {
                f64::from(alpha) * x.exp_m1()
            }
        }
        Function::Selu => {
            super::function::SELU_SCALE * if x > 0.0 { x } else { super::function::SELU_ALPHA * x.exp_m1() }
        }
        Function::Gelu => 0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        Function::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
        Function::Silu => x / (1.0 + (-x).exp()),
        Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Function::HardSigmoid => {
            if x.is_nan() {
                x
            } else {
                (x + 3.0).clamp(0.0, 6.0) / 6.0
            }
        }
        Function::Tanh => x.tanh(),
        Function::ScaledTanh => super::function::TANH_SCALE * (super::function::TANH_SLOPE * x).tanh(),
        Function::Softplus => {
            if x > 20.0 {
                x
            } else {
                x.exp().ln_1p()
            }
        }
        Function::Softsign => x / (1.0 + x.abs()),
        Function::Exp => x.exp(),
    }
}

/// `f'(x)`, with the subgradients of the contract at corners.
pub fn derivative(function: Function, x: f64) -> f64 {
    match function {
        Function::Identity => 1.0,
        Function::Relu => f64::from(u8::from(x > 0.0)),
        Function::LeakyRelu { slope } => {
            if x > 0.0 {
                1.0
            } else {
                f64::from(slope)
            }
        }
        Function::Elu { alpha } => {
            if x > 0.0 {
                1.0
            } else {
                f64::from(alpha) * x.exp()
            }
        }
        Function::Selu => {
            super::function::SELU_SCALE * if x > 0.0 { 1.0 } else { super::function::SELU_ALPHA * x.exp() }
        }
        Function::Gelu => {
            let below = 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
            below + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
        }
        Function::GeluTanh => {
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let t = (root * (x + 0.044715 * x * x * x)).tanh();
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * root * (1.0 + 3.0 * 0.044715 * x * x)
        }
        Function::Silu => {
            let y = 1.0 / (1.0 + (-x).exp());
            y * (1.0 + x * (1.0 - y))
        }
        Function::Sigmoid => {
            let y = 1.0 / (1.0 + (-x).exp());
            y * (1.0 - y)
        }
        Function::HardSigmoid => {
            if x > -3.0 && x < 3.0 {
                1.0 / 6.0
            } else {
                0.0
            }
        }
        Function::Tanh => 1.0 - x.tanh() * x.tanh(),
        Function::ScaledTanh => {
            let t = (super::function::TANH_SLOPE * x).tanh();
            super::function::TANH_SCALE * super::function::TANH_SLOPE * (1.0 - t * t)
        }
        Function::Softplus => {
            if x > 20.0 {
                1.0
            } else {
                1.0 / (1.0 + (-x).exp())
            }
        }
        Function::Softsign => 1.0 / ((1.0 + x.abs()) * (1.0 + x.abs())),
        Function::Exp => x.exp(),
    }
}

/// The error function: its power series below 3, the continued fraction of `erfc` above; good to about 1e-13.
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() || a == 0.0 {
        return x;
    }
    let two_over_root_pi = std::f64::consts::FRAC_2_SQRT_PI;
    let value = if a < 3.0 {
        // 2/√π · e^−x² · Σ 2^k x^(2k+1) / (1·3·…·(2k+1)): every term is positive.
        let (mut term, mut sum) = (a, a);
        for k in 1..200 {
            term *= 2.0 * a * a / f64::from(2 * k + 1);
            sum += term;
        }
        two_over_root_pi * (-a * a).exp() * sum
    } else {
        // erfc x = e^−x² / √π · 1 / (x + (1/2) / (x + (2/2) / (x + (3/2) / …)))
        let mut tail = a;
        for k in (1..100).rev() {
            tail = a + 0.5 * f64::from(k) / tail;
        }
        1.0 - (-a * a).exp() * two_over_root_pi * 0.5 / tail
    };
    value.copysign(x)
}
