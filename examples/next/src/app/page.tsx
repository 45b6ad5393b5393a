import { Darkroom } from "@/components/Darkroom";
import { pictures } from "@/lib/database";
import { currentUser } from "@/lib/user";

export default async function Page() {
  return <Darkroom rows={await pictures(await currentUser())} />;
}
