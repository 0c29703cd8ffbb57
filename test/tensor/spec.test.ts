import { describe, expect, test } from "bun:test";
import { checkSpecs, checkTensors, type TensorSpecs } from "../../src/tensor/spec.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { failure } from "./support.ts";

const specs: TensorSpecs = {
  image: { dtype: "FP32", shape: [-1, 3] },
  mask: { dtype: "BOOL", shape: [2], optional: true },
};
const image = Tensor.from("FP32", [[1, 2, 3]]);
const label = 'the inputs of operator "encoder"';
const message = (tensors: Parameters<typeof checkTensors>[2]) => failure(() => checkTensors(label, specs, tensors)).rawMessage;

describe("checking tensors against specs", () => {
  test("accepts what fits, with or without what is optional", () => {
    checkTensors(label, specs, { image });
    checkTensors(label, specs, { image, mask: undefined });
    checkTensors(label, specs, { image, mask: { dtype: "BOOL", shape: [2] } });
  });

  test("names dtype and shape, seen and wanted", () => {
    expect(message({ image: Tensor.from("FP32", [1, 2, 3]) })).toBe(
      'Cannot use the inputs of operator "encoder": tensor "image" must be FP32 [-1,3], got FP32 [3]',
    );
    expect(message({ image: Tensor.from("FP64", [[1, 2, 3]]) })).toContain("must be FP32 [-1,3], got FP64 [1,3]");
    expect(message({ image: Tensor.from("FP32", [[1, 2]]) })).toContain("got FP32 [1,2]");
  });

  test("names what is missing and what is there besides", () => {
    expect(message({})).toBe('Cannot use the inputs of operator "encoder": tensor "image" must be given, got none');
    expect(message({ image, imgae: image })).toBe(
      'Cannot use the inputs of operator "encoder": tensors must be among "image", "mask", got also "imgae"',
    );
    expect(message({ image, toString: image })).toContain('got also "toString"');
  });

  test("refuses specs that no tensor can fit", () => {
    checkSpecs(label, specs);
    expect(failure(() => checkSpecs(label, { x: { dtype: "float" as "FP32", shape: [] } })).rawMessage).toContain('"float"');
    expect(failure(() => checkSpecs(label, { x: { dtype: "FP32", shape: [-2] } })).rawMessage).toContain("[-2]");
  });
});
