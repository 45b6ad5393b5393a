"""docs/integrate/nestjs-prisma.md: its code runs, and Prisma leaves Herald's tables alone."""
