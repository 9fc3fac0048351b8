"""Small models, one for each thing that a pass can stumble over, as ONNX text, to hold passes to
the law on.
"""

from __future__ import annotations

import onnx_ir as ir

from edgeq.io.load import load_proto
from edgeq.passes.prepare.infer_shapes import InferShapes
from edgeq.testing.written_out_models import BATCH_NORM, HEAD, WEIGHT, WRITTEN_OUT

TEXTS: dict[str, str] = {
    **WRITTEN_OUT,
    "powers": f"""{HEAD} net (float[N, 4] x, float[N, 4] u) => (float[N, 4] y, float[N, 1] z)
        <float two = {{2.0}}, float half = {{0.5}}, float[4] d = {{1.0, -2.0, 4.0, 0.5}}, int64[1] i = {{1}}> {{
        a = Abs(u)  e = Add(a, two)  p = Pow(x, two)  r = Pow(e, half)  q = Div(p, r)  y = Div(q, d)  z = ReduceSum(y, i) }}""",
    "normalized": f"""{HEAD} net (float[N, 3, 4] x) => (float[N, 3, 4] y)
        <float[4] s = {{1.0, -2.0, 4.0, 0.5}}, float[4] t = {{0.5, 0.0, -1.0, 2.0}}> {{ y = LayerNormalization(x, s, t) }}""",
    "conv_bn_relu": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y) <{WEIGHT}, float[2] cb = {{0.5, -1.0}}, {BATCH_NORM}> {{
        c = Conv(x, w, cb)  n = BatchNormalization(c, g, b, m, v)  y = Relu(n) }}""",
    "shared_weight": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y, float[N, 2, 4, 4] z) <{WEIGHT}, {BATCH_NORM}> {{
        c = Conv(x, w)  y = BatchNormalization(c, g, b, m, v)  z = Conv(x, w) }}""",
    "lines": f"""{HEAD} net (float[N, 2, 8] x, bool c) => (float[N, 2, 8] y, float[N, 2, 8] z) <float[2, 2, 3] w =
        {{1.0, -2.0, 0.5, 3.0, 0.25, 1.0, -1.0, 2.0, 0.5, -0.5, 1.5, 0.125}}> {{
        a = Conv<pads = [1, 1]>(x, w)  b = Relu(a)  y = MaxPool<kernel_shape = [3], pads = [1, 1]>(b)
        z = If(c) <then_branch = t () => (float[N, 2, 8] p) {{ p = Conv<pads = [1, 1]>(x, w) }},
                   else_branch = e () => (float[N, 2, 8] q) {{ q = Relu(a) }}> }}""",
    "conv_read_twice": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y, float[N, 2, 4, 4] z) <{WEIGHT}, {BATCH_NORM}> {{
        c = Conv(x, w)  y = BatchNormalization(c, g, b, m, v)  z = Relu(c) }}""",
    "conv_is_output": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] c, float[N, 2, 4, 4] y) <{WEIGHT}, {BATCH_NORM}> {{
        c = Conv(x, w)  y = BatchNormalization(c, g, b, m, v) }}""",
    "deconv_bn": f"""{HEAD} net (float[N, 2, 3, 3] x) => (float[N, 2, 4, 4] y) <float[2, 1, 2, 2] w =
        {{1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.25, 2.0}}, {BATCH_NORM}> {{
        c = ConvTranspose<group = 2>(x, w)  y = BatchNormalization(c, g, b, m, v) }}""",
    "gemm_bn": f"""{HEAD} net (float[N, 3] x) => (float[N, 2] y) <float[2, 3] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}},
        float[1, 2] c = {{1.0, -3.0}}, {BATCH_NORM}> {{
        h = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(x, w, c)  y = BatchNormalization(h, g, b, m, v) }}""",
    "gemm_matrix_bias": f"""{HEAD} net (float[2, 3] x) => (float[2, 2] y) <float[3, 2] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}},
        float[2, 2] c = {{1.0, -3.0, 2.0, 4.0}}, {BATCH_NORM}> {{ h = Gemm(x, w, c)  y = BatchNormalization(h, g, b, m, v) }}""",
    "matmul_bn": f"""{HEAD} net (float[N, 2] x) => (float[N, 2] y) <float[2, 2] w = {{1.0, 2.0, 3.0, -1.0}}, {BATCH_NORM}> {{
        h = MatMul(x, w)  y = BatchNormalization(h, g, b, m, v) }}""",
    "bn_before_conv": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 3, 3] y) <float[2, 2, 2, 2] w =
        {{1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 0.25, 2.0, 1.0, 0.0, -3.0, 2.0, 1.0, -1.0, 0.5, 0.125}}, {BATCH_NORM}> {{
        r = Relu(x)  n = BatchNormalization(r, g, b, m, v)  y = Conv(n, w) }}""",
    "bn_before_padded_conv": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2, 6, 6] y) <{WEIGHT}, {BATCH_NORM}> {{
        r = Relu(x)  n = BatchNormalization(r, g, b, m, v)  y = Conv<pads = [1, 1, 1, 1]>(n, w) }}""",
    "bn_before_gemm": f"""{HEAD} net (float[N, 2] x) => (float[N, 3] y) <float[3, 2] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}},
        float[3] c = {{1.0, -3.0, 2.0}}, {BATCH_NORM}> {{
        r = Relu(x)  n = BatchNormalization(r, g, b, m, v)  y = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(n, w, c) }}""",
    "lone_bn": f"""{HEAD} net (float[N, 2, 3] x, float[N, 2] u) => (float[N, 2, 3] y, float[N, 2] z) <{BATCH_NORM}> {{
        y = BatchNormalization(x, g, b, m, v)  z = BatchNormalization(u, g, b, m, v) }}""",
    "affine_chain": f"""{HEAD} net (float[N, 2] x) => (float[N, 3] y) <float[2, 3] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}},
        float[3] a = {{1.0, 2.0, -3.0}}, float[1, 3] s = {{0.5, 2.0, -1.0}}, float t = {{4.0}}> {{
        h = MatMul(x, w)  i = Add(a, h)  j = Mul(i, s)  k = Sub(t, j)  l = Div(k, s)  y = Relu(l) }}""",
    "affine_chain_rank_3": f"""{HEAD} net (float[N, 5, 2] x) => (float[N, 5, 3] y) <float[2, 3] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}},
        float[3] a = {{1.0, 2.0, -3.0}}, float[3] s = {{0.5, 2.0, -1.0}}> {{
        h = MatMul(x, w)  i = Add(h, a)  j = Mul(i, s)  y = Add(j, a) }}""",
    "shuffled": f"""{HEAD} net (float[N, 4, 2, 2] x) => (float[N, 4, 2, 2] y, float[N, 4, 2, 2] z)
        <int64[5] cut = {{0, 2, 2, 2, 2}}, int64[4] whole = {{0, 4, 2, 2}}> {{
        a = Reshape(x, cut)  t = Transpose<perm = [0, 2, 1, 3, 4]>(a)  y = Reshape(t, whole)
        b = Reshape(x, cut)  u = Transpose<perm = [0, 1, 2, 4, 3]>(b)  z = Reshape(u, whole) }}""",
    "rows_of_rank_3": f"""{HEAD} net (float[6, 2] x) => (float[6, 2] y, float[2, 3, 2] z) <float[2, 2] w = {{1.0, 2.0, 3.0, -1.0}},
        float[2] c = {{1.0, -3.0}}, int64[3] whole = {{2, 3, 2}}, int64[2] rows = {{6, 2}}> {{
        g = Gemm(x, w, c)  a = Reshape(g, whole)  b = Relu(a)  d = Reshape(b, rows)  y = Gemm(d, w, c)  h = Gemm(x, w)
        e = Reshape(h, whole)  z = Tanh(e) }}""",
    "biases_of_rank_3": f"""{HEAD} net (float[4, 5, 2] x) => (float[4, 5, 3] y, float[4, 5, 3] z, float[4, 5, 3] u)
        <float[2, 3] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}}, float[3] a = {{1.0, 2.0, -3.0}}, float[5, 1] t = {{1.0, 2.0, 3.0, 4.0, 5.0}}> {{
        h = MatMul(x, w)  y = Add(a, h)  i = MatMul(x, w)  z = Add(i, t)  j = MatMul(x, w)  k = Add(j, a)  u = Mul(k, j) }}""",
    "affine_not_per_channel": f"""{HEAD} net (float[2, 2, 1, 2] x) => (float[2, 2, 1, 2] y) <{WEIGHT}, float[1, 1, 1, 2] s = {{0.5, 2.0}},
        float[2, 1, 1, 1] t = {{1.0, 3.0}}> {{ c = Conv(x, w)  d = Mul(c, s)  e = Conv(d, w)  y = Add(e, t) }}""",
    "mean_drops_axes": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2] y) {{ y = ReduceMean<axes = [2, -1], keepdims = 0>(x) }}""",
    "mean_keeps_axes": """<ir_version: 8, opset_import: ["" : 18]> net (float[N, 2, 4, 4] x) => (float[N, 2, 1, 1] y)
        <int64[2] a = {3, 2}> { y = ReduceMean(x, a) }""",
    "mean_of_other_axes": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 4, 4] y) {{ y = ReduceMean<axes = [1], keepdims = 0>(x) }}""",
    "average_over_the_edge": """<ir_version: 9, opset_import: ["" : 19]>
        net (float[N, 2, 7, 8] x) => (float[N, 2, A, B] y, float[N, 2, C, D] z) {
        y = AveragePool<kernel_shape = [2, 3], strides = [2, 2], pads = [1, 1, 1, 1], ceil_mode = 1, count_include_pad = 1>(x)
        z = AveragePool<kernel_shape = [3, 3], strides = [2, 2], dilations = [1, 1], ceil_mode = 1, count_include_pad = 1>(x) }""",
    "pad_some_axes": """<ir_version: 8, opset_import: ["" : 18]> net (float[N, 2, 3] x) => (float[N, 3, 6] y, float[N, 2, 4] z)
        <int64[4] p = {1, 2, 0, 1}, int64[2] a = {1, -1}, int64[2] q = {0, 1}, int64[1] b = {2}, float v = {2.0}> {
        y = Pad(x, p, v, a)  z = Pad<mode = "edge">(x, q, , b) }""",
    "resize_some_axes": """<ir_version: 8, opset_import: ["" : 18]> net (float[N, 2, 3] x, bool c) => (float[N, 2, 6] y, float[N, 2, 5] z)
        <float[1] s = {2.0}, int64[1] n = {5}> {
        y = Resize<axes = [2]>(x, , s)
        z = If (c) < then_branch = t () => (float[N, 2, 5] tv) { tv = Resize<axes = [-1], mode = "linear">(x, , , n) },
                     else_branch = e () => (float[N, 2, 5] ev) { ev = Resize<axes = [2]>(x, , , n) }> }""",
    "cubic_shrinks": f"""{HEAD} net (float[N, 2, 4, 6] x, float[3, 2, 4, 6] u) => (float[N, 2, 2, 3] y, float[3, 2, 3, 9] z)
        <float[4] s = {{1.0, 1.0, 0.5, 0.5}}, int64[4] n = {{3, 2, 3, 9}}> {{
        y = Resize<mode = "cubic">(x, , s)  r = Relu(u)  z = Resize<mode = "cubic">(r, , , n) }}""",
    "crop_and_pad": """<ir_version: 8, opset_import: ["" : 18]> net (float[N, 5, 4] x) => (float[N, 4, 7] y, float[2, 5, 4] z)
        <int64[2] s = {7, 4}, int64[2] t = {5, 4}, float[1] one = {1.0}, int64[3] e = {2, 5, 4}> {
        y = CenterCropPad<axes = [-1, 1]>(x, s)  k = Expand(one, e)  z = CenterCropPad<axes = [1, 2]>(k, t) }""",
    "average_of_all": f"""{HEAD} net (float[N, 2, 4, 3] x, bool c) => (float[N, 2, 1, 1] y, float[N, 2, 1, 1] z) {{
        y = AveragePool<kernel_shape = [4, 3], strides = [2, 2], count_include_pad = 1>(x)
        z = If (c) < then_branch = t () => (float[N, 2, 1, 1] tv) {{ tv = AveragePool<kernel_shape = [4, 3], auto_pad = "VALID">(x) }},
                     else_branch = e () => (float[N, 2, 1, 1] ev) {{ p = AveragePool<kernel_shape = [4, 1]>(x)
                         ev = AveragePool<kernel_shape = [1, 2], strides = [1, 2]>(p) }}> }}""",
    "hardswish_nodes": f"""{HEAD} net (float[N, 2] x, bool c) => (float[N, 2] y) {{
        h = HardSwish(x)
        y = If (c) < then_branch = t () => (float[N, 2] tv) {{ tv = HardSwish(h) }},
                     else_branch = e () => (float[N, 2] ev) {{ ev = Relu(h) }}> }}""",
    "slopes": f"""{HEAD} net (float[N, 2] x, bool c) => (float[N, 2] y) <float[2] s = {{0.25, -0.5}}, float[1] t = {{0.125}}> {{
        h = PRelu(x, s)
        y = If (c) < then_branch = b () => (float[N, 2] tv) {{ tv = PRelu(h, s) }},
                     else_branch = e () => (float[N, 2] ev) {{ ev = PRelu(h, t) }}> }}""",
    "hardswish_forms": f"""{HEAD} net (float[N, 2] x) => (float[N, 2] y, float[N, 2] z, float[N, 2] u)
        <float three = {{3.0}}, float six = {{6.0}}, float zero = {{0.0}}, float sixth = {{0.16666667}}> {{
        h = HardSigmoid<alpha = 0.16666667, beta = 0.5>(x)  y = Mul(h, x)
        p = Add(three, x)  q = Clip(p, zero, six)  r = Div(q, six)  z = Mul(x, r)
        s = Add(x, three)  t = Clip(s, zero, six)  o = Mul(x, t)  u = Mul(o, sixth) }}""",
    "hardswish_look_alikes": f"""{HEAD} net (float[N, 2] x, float[N, 2] o) => (float[N, 2] y, float[N, 2] z, float[N, 2] h)
        <float three = {{3.0}}, float six = {{6.0}}, float zero = {{0.0}}> {{
        h = HardSigmoid<alpha = 0.16666667, beta = 0.5>(x)  y = Mul(h, o)
        p = Add(x, three)  q = Clip(p, zero, three)  r = Div(q, six)  z = Mul(x, r) }}""",
    "identities": f"""{HEAD} net (float[N, 2, 3] x) => (float[N, 2, 3] y, float[N, 2, 3] z, float[N, 2, 3] o)
        <int64[3] s = {{0, -1, 3}}> {{
        a = Identity(x)  d, mask = Dropout(a)  e = Relu(d)  f = Cast<to = 1>(e)  h = Reshape(f, s)
        i = Transpose<perm = [0, 1, 2]>(h)  y = Identity(i)  z = Identity(x)  o = Identity(y) }}""",
    "shape_arithmetic": f"""{HEAD} net (float[N, 2, 4, 4] x) => (float[N, 2] y, float[N, 16, 2] z)
        <int64 zero = {{0}}, int64[1] axis = {{0}}, int64[1] rest = {{-1}}, int64[2] tail = {{-1, 2}}> {{
        p = GlobalAveragePool(x)  s = Shape(p)  n = Gather(s, zero)  u = Unsqueeze(n, axis)  t = Concat<axis = 0>(u, rest)
        y = Reshape(p, t)
        i = Transpose<perm = [0, 2, 3, 1]>(x)  si = Shape(x)  ni = Gather(si, zero)  ui = Unsqueeze(ni, axis)
        ti = Concat<axis = 0>(ui, tail)  z = Reshape(i, ti) }}""",
    "known_shape": f"""{HEAD} net (float[2, 6] x) => (float[3, 4] y) <int64 one = {{1}}, int64[1] two = {{2}}, int64[1] axis = {{0}},
        int64[1] three = {{3}}> {{
        s = Shape(x)  n = Gather(s, one)  u = Unsqueeze(n, axis)  h = Div(u, two)  i = Add(h, two)  j = Sub(i, axis)
        k = Slice(j, axis, three, axis)  d = Mul(k, two)  f = Sub(d, u)  t = Concat<axis = 0>(three, f)  y = Reshape(x, t) }}""",
    "computed_weight": f"""{HEAD} net (float[N, 2] x) => (float[N, 3] y) <float[3, 2] w = {{1.0, 2.0, 3.0, -1.0, 0.5, 2.0}}> {{
        t = Transpose(w)  e = Exp(t)  y = MatMul(x, e) }}""",
    "constant_nodes": f"""{HEAD} net (float[N, 2] x) => (float[N, 2] y, float[2] k) {{
        a = Constant<value_floats = [1.0, 2.0]>()  b = Constant<value = float[1] {{3.0}}>()  k = Constant<value_floats = [5.0, 6.0]>()
        c = Mul(x, a)  y = Add(c, b) }}""",
    "bodies": f"""{HEAD} net (float[N, 2, 4, 4] x, bool c) => (float[N, 2, 4, 4] y) <{WEIGHT}, {BATCH_NORM}> {{
        r = Relu(x)
        o = If (c) <
            then_branch = t () => (float[N, 2, 4, 4] tv) {{ tc = Conv(r, w)  tv = BatchNormalization(tc, g, b, m, v) }},
            else_branch = e () => (float[N, 2, 4, 4] ev) {{ ei = Identity(r)  ev = Identity(ei) }}>
        y = Conv(o, w) }}""",
    "initializer_is_output": f"""{HEAD} net (float[2] x) => (float[2] y, float[2] k) <float[2] k = {{1.0, 2.0}}> {{ y = Add(x, k) }}""",
    "unread_branch": f"""{HEAD} net (float[2] x) => (float[2] y) <float[2] k = {{1.0, 2.0}}, float[2] l = {{1.0, 2.0}}> {{
        y = Add(x, k)  u = Mul(x, l)  w = Exp(u) }}""",
    "half_floats": f"""{HEAD} net (float16[N, 2] x) => (float16[N, 2] y, float16[N, 2] z) <float[2, 2] w32 = {{1.0, 2.0, 3.0, -1.0}}> {{
        w = Cast<to = 10>(w32)  h = MatMul(x, w)  z = Relu(h)  f = Cast<to = 1>(z)  e = Exp(f)  y = Cast<to = 10>(e) }}""",
    "double_weights": f"""{HEAD} net (double[N, 2] x) => (double[N, 2] y)
        <double[2, 2] w = {{1.0, 2.0, 3.0, -1.0}}> {{ y = MatMul(x, w) }}""",
    "opset_9": """<ir_version: 4, opset_import: ["" : 9]> net (float[N, 2, 4, 4] x) => (float[N, 2] y)
        <float[2, 2, 1, 1] w = {1.0, -2.0, 0.5, 3.0}> {
        c = Conv(x, w)  d = Dropout<ratio = 0.5>(c)  e = Clip<min = 0.0, max = 6.0>(d)
        p = GlobalAveragePool(e)  y = Squeeze<axes = [2, 3]>(p) }""",
    "opset_22": """<ir_version: 10, opset_import: ["" : 22]> net (float[N, 2, 4, 4] x) => (float[N, 2, 2, 2] y)
        <float[2, 2, 1, 1] w = {1.0, -2.0, 0.5, 3.0}> { c = Conv(x, w)  y = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(c) }""",
}


def law_model(name: str) -> ir.Model:
    """A fresh copy of one model, as it is before it is loaded.

    >>> model = law_model("conv_bn_relu")
    >>> [node.op_type for node in model.graph]
    ['Conv', 'BatchNormalization', 'Relu']
    """
    return ir.from_onnx_text(TEXTS[name])


def named_model(name: str) -> ir.Model:
    """A fresh copy of one model, as passes meet it: loaded, named, with inferred shapes."""
    model = load_proto(law_model(name)).model
    InferShapes()(model)
    return model
