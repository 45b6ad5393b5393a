import type { Metadata } from "next";
import type { ReactNode } from "react";
import "./globals.css";

const ICON = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><circle cx='16' cy='16' r='14' fill='#e0503a'/></svg>";

export const metadata: Metadata = {
  title: "Darkroom",
  icons: `data:image/svg+xml,${encodeURIComponent(ICON)}`,
};

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
