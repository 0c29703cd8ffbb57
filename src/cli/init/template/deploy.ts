import { defineDeployment, type DeploymentDefinition } from "waybill/deployment";

const deployment: DeploymentDefinition = defineDeployment({
  workers: [{ name: "images", file: "./worker.ts", count: 2 }],
});
export default deployment;
