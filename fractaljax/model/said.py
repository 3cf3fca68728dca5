"""What is said of the first patches, the bars, before any note: their form, returns and chords."""

import jax
import jax.numpy as jnp

from fractaljax.model.config import ModelConfig
from fractaljax.model.form import form_of, with_form
from fractaljax.model.region import Region

# By what says them, in the order in which it does; the form is several fields.
FIELDS = {'reprise': 'return_NxL', 'harmony': 'chord_NxL'}


def said_of(region: Region, config: ModelConfig) -> dict[str, jax.Array]:
  """Ids (N, L) by what says them: `form`, `reprise` and `harmony`, those that the model has."""
  said = {'form': form_of(region, config)} if config.repeats else {}
  fields = {name: getattr(region, field) for name, field in FIELDS.items()}
  return said | {name: id_NxL for name, id_NxL in fields.items() if id_NxL is not None}


def with_said(region: Region, name: str, id_NxL, config: ModelConfig) -> Region:
  """Whole rolls of whose bars something else is said."""
  if name == 'form':
    return with_form(region, id_NxL, config)
  return region.replace(**{FIELDS[name]: jnp.asarray(id_NxL)})
