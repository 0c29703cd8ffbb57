#!/usr/bin/env node
/**
 * The command line's entry.
 *
 * @module
 */
import { runMain } from "citty";
import { waybill } from "./waybill.ts";

await runMain(waybill);
