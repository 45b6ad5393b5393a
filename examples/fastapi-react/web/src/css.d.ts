import "react";

declare module "react" {
  interface CSSProperties {
    /** How far the generation is, from 0 to 1. */
    "--done"?: number;
  }
}
