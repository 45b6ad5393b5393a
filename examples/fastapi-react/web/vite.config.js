import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  server: {
    port: Number(process.env.PORT ?? 5173),
    strictPort: true, // Herald accepts only the origins that it knows, and the port is part of the origin
    proxy: { "/api": process.env.SERVER_URL ?? "http://127.0.0.1:8000" },
  },
});
