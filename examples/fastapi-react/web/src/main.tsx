import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { HeraldProvider } from "herald-events/react";
import { App } from "./App";
import { herald } from "./herald";
import "./styles.css";

createRoot(document.querySelector("#root")!).render(
  <StrictMode>
    <HeraldProvider client={herald}>
      <App />
    </HeraldProvider>
  </StrictMode>,
);
