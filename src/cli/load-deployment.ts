import { type DeploymentDefinition, isDeploymentDefinition } from "../deployment/mod.ts";
import { loadDefault } from "./load-default.ts";

/** Imports a deployment file; throws as {@linkcode loadDefault}. */
export function loadDeployment(file: string): Promise<{ path: string; value: DeploymentDefinition }> {
  return loadDefault(file, { what: "deployment", maker: "defineDeployment", is: isDeploymentDefinition });
}
