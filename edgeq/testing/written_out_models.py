"""Small models of what exporters write in many ways, as ONNX text, to hold passes to the law on."""

from __future__ import annotations

from collections.abc import Mapping

#: parameters of a BatchNormalization of two channels
BATCH_NORM = "float[2] g = {2.0, -0.5}, float[2] b = {0.25, 1.0}, float[2] m = {0.5, -0.25}, float[2] v = {1.5, 0.75}"
#: the weight of a Conv with a window of size 1
WEIGHT = "float[2, 2, 1, 1] w = {1.0, -2.0, 0.5, 3.0}"
#: the first line of most models
HEAD = '<ir_version: 8, opset_import: ["" : 17]>'

WRITTEN_OUT: Mapping[str, str] = {
    "affine_behind_moves": f"""{HEAD} net (float[N, 2, 4, 4] x, float[N, 5, 2] u) =>
        (float[N, 4, 4, 2] y, float[N, 2, 16] z, float[M, 2] v) <{WEIGHT}, float[2] b = {{0.5, -1.0}},
        float[2, 1] s = {{2.0, 0.5}}, int64[3] k = {{0, 2, -1}}, int64[2] j = {{-1, 2}},
        float[2, 2] q = {{1.0, 2.0, 3.0, -1.0}}> {{
        c = Conv(x, w)  d = Transpose<perm = [0, 2, 3, 1]>(c)  e = Sub(b, d)  y = Div(e, b)
        f = Conv(x, w, b)  h = Reshape(f, k)  z = Mul(h, s)
        l = MatMul(u, q)  o = Reshape(l, j)  p = Mul(o, b)  v = Relu(p) }}""",
    "batch_norm_behind_moves": f"""{HEAD} net (float[N, 5, 2] x) => (float[N, 2, 5] y) <float[2, 2] w = {{1.0, 2.0, 3.0, -1.0}},
        {BATCH_NORM},
        float[2] a = {{0.5, 1.0}}> {{
        h = MatMul(x, w)  i = Add(h, a)  t = Transpose<perm = [0, 2, 1]>(i)  y = BatchNormalization(t, g, b, m, v) }}""",
    "affine_without_layer": f"""{HEAD} net (float[N, 2, 4] x) => (float[N, 2, 4] y, float[N, 2, 4] z)
        <float[2, 1] m = {{0.5, -1.0}}, float[2, 1] d = {{2.0, 0.5}}, float six = {{6.0}}> {{
        a = Relu(x)  b = Sub(a, m)  c = Div(b, d)  e = Neg(c)  y = Sub(six, e)  z = Div(x, six) }}""",
    "gemm_forms": f"""{HEAD} net (float[3, 2] x, float[2] v) => (float[2, 4] y, float[2, 4] z, float[3, 4] u)
        <float[3, 4] w = {{1.0, -2.0, 0.5, 3.0, 0.25, 1.0, -1.0, 2.0, 0.5, -0.5, 1.5, 0.125}}, float[4] b = {{1.0, 2.0, -3.0, 0.0}},
        float[2, 1] c = {{0.5, 2.0}}, float[3, 1] k = {{1.0, 2.0, 3.0}}, float[4, 2] q = {{1.0, -2.0, 0.5, 3.0, 0.25, 1.0, -1.0, 2.0}}> {{
        y = Gemm<transA = 1, alpha = 0.5, beta = 2.0>(x, w, b)  z = Gemm<transA = 1, beta = 3.0>(x, w, c)
        u = Gemm<transB = 1, alpha = -1.0>(x, q, k) }}""",
    "sums": f"""{HEAD} net (float[N, 2] x, float[2] v) => (float[N, 2] y, float[N, 2] z)
        <float[2] b = {{0.5, -1.0}}> {{ y = Sum(x, v, b, x)  z = Sum(x, v) }}""",
    "einsums": f"""{HEAD} net (float[N, L, 2] x, float[N, 3, L] u) => (float[N, L, 2, 2] y, float[N, 3, 2] z, float[L, 2, N] t)
        <float[2, 2, 2] w = {{1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.25, 2.0}}> {{
        y = Einsum<equation = "bld,dhk->blhk">(x, w)  z = Einsum<equation = "bml,bld->bmd">(u, x)
        t = Einsum<equation = "bld->ldb">(x) }}""",
    "deconvs": f"""{HEAD} net (float[N, 2, 3, 4] x) => (float[N, 2, 6, 8] y, float[N, 2, 6, 8] z) <float[2, 2, 2, 2] w =
        {{1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.25, 2.0, 1.0, 0.0, -3.0, 2.0, 1.0, -1.0, 0.5, 0.125}}, float[2] b = {{0.5, -1.0}},
        float[2, 1, 2, 2] k = {{1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.25, 2.0}}> {{
        y = ConvTranspose<strides = [2, 2]>(x, w, b)  z = ConvTranspose<strides = [2, 2], group = 2>(x, k, b) }}""",
    "gelu_forms": """<ir_version: 9, opset_import: ["" : 20]> net (float[N, 3] x) => (float[N, 3] y, float[N, 3] z)
        <float[1, 1] one = {1.0}, float h = {0.5}, float[1] r = {1.4142135}, float three = {3.0}, float k = {0.044715},
        float c = {0.79788456}> {
        a = Div(x, r)  b = Erf(a)  d = Add(b, one)  e = Mul(x, d)  y = Mul(h, e)
        f = Pow(x, three)  g = Mul(k, f)  i = Add(x, g)  j = Mul(i, c)  l = Tanh(j)  m = Add(one, l)  n = Mul(h, x)  z = Mul(m, n) }""",
    "norm_forms": """<ir_version: 9, opset_import: ["" : 17]> net (float[N, 3] x, float[N, 3, 4, 4] u) =>
        (float[N, 3] y, float[N, 3, 4, 4] z) <float[3] g = {1.0, -2.0, 0.5}, float[3] t = {0.5, 1.0, 0.0}, float e = {0.00001},
        float two = {2.0}, float[3, 1, 1] k = {1.0, 2.0, 3.0}> {
        m = ReduceMean<axes = [-1]>(x)  d = Sub(x, m)  q = Pow(d, two)  v = ReduceMean<axes = [-1]>(q)  a = Add(v, e)  s = Sqrt(a)
        n = Div(d, s)  o = Mul(n, g)  y = Add(o, t)
        um = ReduceMean<axes = [2, 3]>(u)  ud = Sub(u, um)  uq = Mul(ud, ud)  uv = ReduceMean<axes = [2, 3]>(uq)  ua = Add(e, uv)
        us = Sqrt(ua)  ur = Reciprocal(us)  uk = Mul(ur, k)  z = Mul(uk, ud) }""",
    "nhwc": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y, float[N, 4, 4, 2] z)
        <{WEIGHT}, float[2] b = {{0.5, -1.0}}, float[1, 1, 1, 2] s = {{2.0, 0.5}}> {{
        c = Conv(x, w)  t = Transpose<perm = [0, 2, 3, 1]>(c)  d = Add(b, t)  e = Sub(d, s)  z = Mul(e, s)
        r = Conv(x, w)  u = Transpose<perm = [0, 2, 3, 1]>(r)  v = Add(u, d)  l = Relu(v)
        k = Transpose<perm = [0, 3, 1, 2]>(l)  y = Conv(k, w) }}""",
}
