/** The address if it can be shown as a picture without running anything: https, or data of an image. Otherwise undefined. */
export function imageUrl(value: string | null | undefined): string | undefined {
  if (!value) return undefined;
  if (/^data:image\/(?:png|jpeg|gif|webp|avif)[;,]/i.test(value)) return value;
  return /^https:\/\//i.test(value) && URL.canParse(value) ? value : undefined;
}
